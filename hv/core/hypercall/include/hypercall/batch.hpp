/// The shape of mmu_update and mmuext_op: (requests, count, done-count or null, domid), carried out in order until one
/// fails or the slice is over. The number done is stored in either case (docs/abi.md §3.3).
///
/// A continued call says so in the count: its top bit tells that the done-count in the guest's memory, which it has
/// written itself, is to be added to.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "domain/preemption.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

inline constexpr std::uint32_t kContinued = std::uint32_t{1} << 31; // MMU_UPDATE_PREEMPTED of Xen's interface

/// A guest's requests, read a few at a time: each read is a walk. Those that are read together lie on one page, so that
/// an error is always about the one that is asked for.
template <typename Request> class Requests {
  public:
    static constexpr std::size_t kAtOnce = std::min<std::size_t>(16, 512 / sizeof(Request)); // they lie on the stack

    explicit Requests(Call& call) : vcpu_{call.vcpu}, array_{call.array<Request>(0)} {}

    [[nodiscard]] base::Vaddr at(std::uint32_t index) const { return array_.at(index); }

    /// How many of @p count, of which the first lies at @p at, are read together.
    static std::size_t together(base::Vaddr at, std::uint32_t count) {
        std::size_t const on_page = (base::kPageSize - at.offset()) / sizeof(Request);
        return std::clamp<std::size_t>(on_page, 1, std::min<std::size_t>(count, kAtOnce));
    }

    /// @p index of @p count, with those behind it that have been read already. Good until the next read.
    [[nodiscard]] base::Result<std::span<Request const>> read(std::uint32_t index, std::uint32_t count) {
        if (index - first_ >= held_) {
            auto const many = together(at(index), count - index);
            held_ = 0;
            requests_ = TRY(read_some(at(index), many));
            first_ = index;
            held_ = static_cast<std::uint32_t>(many);
        }
        return std::span<Request const>{requests_, held_}.subspan(index - first_);
    }

  private:
    base::Result<Request const*> read_some(base::Vaddr from, std::size_t many) {
        auto& ahead = vcpu_.domain.system.this_cpu().ahead;
        if (auto const* const bytes = ahead.take(from, many * sizeof(Request)); bytes != nullptr)
            return reinterpret_cast<Request const*>(bytes);
        TRY(domain::copy_from_guest(vcpu_, vcpu_.mode, std::as_writable_bytes(std::span{buffer_}.first(many)), from));
        return buffer_.data();
    }

    domain::Vcpu& vcpu_;
    domain::GuestArray<Request> array_;
    std::uint32_t first_ = 0;
    std::uint32_t held_ = 0;
    Request const* requests_ = nullptr;
    std::array<Request, kAtOnce> buffer_;
};

/// @p step(requests, done) carries out one or more of @p requests, from the first on, until one fails, and says how many.
template <typename Request, typename Step> Answer run_batch(Call& call, Step&& step) {
    Requests<Request> requests{call};
    auto const done_count = call.array<std::uint32_t>(2);
    bool const continued = (call.u32(1) & kContinued) != 0;
    std::uint32_t const count = call.u32(1) & ~kContinued;
    std::uint32_t before = 0;
    if (continued && !done_count.null())
        before = TRY(done_count.read(0));

    std::uint32_t done = 0;
    base::Status status{};
    while (done < count && status.ok()) {
        if (done != 0 && domain::should_yield(call.vcpu)) {
            status = base::Status{base::Err{base::Error::preempted}};
            break;
        }
        auto const next = requests.read(done, count);
        std::uint32_t stepped = 0;
        status = next ? step(next.value(), stepped) : base::Status{base::Err{next.error()}};
        done += stepped;
    }
    if (!done_count.null())
        TRY(done_count.write(0, before + done));
    if (!status && status.error() == base::Error::preempted) {
        call.args[0] = requests.at(done).raw();
        call.args[1] = (count - done) | kContinued;
        return base::Err{base::Error::preempted};
    }
    TRY(status);
    return 0;
}

} // namespace hypercall
