/// How many frames each domain has, and how many it may have.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/assert.hpp"
#include "base/number.hpp"
#include "mm/owner.hpp"

namespace mm {

/// One domain's account. `total` falls when a frame's last reference goes, not when the domain gives it up (SP-2):
/// a dead domain with total != 0 is a zombie, and its id must not be used again.
class Quota {
  public:
    [[nodiscard]] std::uint32_t total() const { return total_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
    /// May be lower than what the domain has: then it gets nothing more.
    void set_limit(std::uint64_t frames);

    /// Adds @p frames unless that would pass the limit; false if it would.
    [[nodiscard]] bool charge(std::uint32_t frames);
    /// Adds @p frames whatever the limit, for an exchange whose other half comes next. False only if the count itself
    /// would overflow.
    [[nodiscard]] bool charge_beyond_limit(std::uint32_t frames);
    void refund(std::uint32_t frames);

    /// Frames that are set aside for it (FrameAllocator::claim, which alone changes this).
    [[nodiscard]] std::uint32_t claim() const { return claim_.load(std::memory_order_relaxed); }
    void set_claim(std::uint32_t frames) { claim_.store(frames, std::memory_order_relaxed); }

  private:
    [[nodiscard]] bool add(std::uint32_t frames, std::uint32_t limit);

    std::atomic<std::uint32_t> limit_{0};
    std::atomic<std::uint32_t> total_{0};
    std::atomic<std::uint32_t> claim_{0};
};

/// The accounts of all domains, by id: they outlive the domains, so that zombies' frames have where to be counted.
class Accounts {
  public:
    /// @p quotas: index is the domain's id; must outlive this. Domains with higher ids cannot own counted frames.
    explicit Accounts(std::span<Quota> quotas) : quotas_{quotas} {}

    [[nodiscard]] bool valid(base::DomId owner) const { return owner.raw() < quotas_.size() && is_domain(owner); }
    [[nodiscard]] Quota& of(base::DomId owner) const {
        ASSERT(valid(owner));
        return quotas_[owner.raw()];
    }

  private:
    std::span<Quota> quotas_;
};

} // namespace mm
