/// One entry of a v1 grant table, in a page that the guest writes at any moment.
///
///      31       16 15          8 7   5  4  3  2  1 0
///     +-----------+-------------+-----+---+--+--+----+
///     |   domid   |             |cache| W |R |RO|type|     first word; the second is the frame
///     +-----------+-------------+-----+---+--+--+----+
///
/// W (writing) and R (reading) are the hypervisor's: set by compare-and-exchange of the whole word while the entry says
/// what was checked, so that the guest can end an access only while they are clear. Everything is read once (SP-7).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "grants/access.hpp"
#include "grants/status.hpp"

namespace grants {

class SharedEntry {
  public:
    /// How often a changing entry is tried before the guest gets an error: only a guest that scribbles sees it.
    static constexpr int kAttempts = 5;

    /// Sets R, and W for writing, if the entry permits @p mapper that access at this moment.
    ///   general_error   it does not, or will not hold still
    [[nodiscard]] Status claim(base::DomId mapper, Access access);
    /// Clears W, and R too if @p reading_too: what was read or written before is done for who sees it clear.
    void release(bool reading_too);
    /// The frame, as it reads now.
    [[nodiscard]] base::Gfn frame() const { return base::Gfn{frame_.load(std::memory_order_relaxed)}; }

    /// Permits @p mapper to write @p frame, as a guest would write it (the domain builder's seeding, tests).
    void permit(base::DomId mapper, base::Gfn frame);

    /// The entry as it is, and @p entry in its place; for GNTTABOP_set_version, swap_grant_ref.
    [[nodiscard]] grant_entry_v1 value() const;
    void become(grant_entry_v1 const& entry);

  private:
    std::atomic<std::uint32_t> head_;
    std::atomic<std::uint32_t> frame_;
};

static_assert(sizeof(SharedEntry) == sizeof(grant_entry_v1));
static_assert(offsetof(grant_entry_v1, flags) == 0 && offsetof(grant_entry_v1, domid) == 2 &&
              offsetof(grant_entry_v1, frame) == 4);

} // namespace grants
