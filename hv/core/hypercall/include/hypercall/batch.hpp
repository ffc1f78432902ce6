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
    explicit Requests(Call& call) : vcpu_{call.vcpu}, array_{call.array<Request>(0)} {}

    [[nodiscard]] base::Vaddr at(std::uint32_t index) const { return array_.at(index); }

    /// @p index of @p count.
    [[nodiscard]] base::Result<Request> read(std::uint32_t index, std::uint32_t count) {
        if (index - first_ >= held_) {
            std::size_t const on_page = (base::kPageSize - at(index).offset()) / sizeof(Request);
            auto const many = std::clamp<std::size_t>(on_page, 1, std::min<std::size_t>(count - index, kAtOnce));
            auto const into = std::as_writable_bytes(std::span{buffer_}.first(many));
            held_ = 0;
            TRY(domain::copy_from_guest(vcpu_, vcpu_.mode, into, at(index)));
            first_ = index;
            held_ = static_cast<std::uint32_t>(many);
        }
        return buffer_[index - first_];
    }

  private:
    static constexpr std::size_t kAtOnce = std::min<std::size_t>(16, 512 / sizeof(Request)); // it lies on the stack

    domain::Vcpu& vcpu_;
    domain::GuestArray<Request> array_;
    std::uint32_t first_ = 0;
    std::uint32_t held_ = 0;
    std::array<Request, kAtOnce> buffer_;
};

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
    for (; done < count; ++done) {
        if (done != 0 && domain::should_yield(call.vcpu)) {
            status = base::Status{base::Err{base::Error::preempted}};
            break;
        }
        auto const request = requests.read(done, count);
        status = request ? step(request.value()) : base::Status{base::Err{request.error()}};
        if (!status)
            break;
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
