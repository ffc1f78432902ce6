/// The shape of mmu_update and mmuext_op: (requests, count, done-count or null, domid), carried out in order until one
/// fails or the slice is over. The number done is stored in either case (docs/abi.md §3.3).
///
/// A continued call says so in the count: its top bit tells that the done-count in the guest's memory, which it has
/// written itself, is to be added to.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "domain/preemption.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

inline constexpr std::uint32_t kContinued = std::uint32_t{1} << 31; // MMU_UPDATE_PREEMPTED of Xen's interface

template <typename Request, typename Step> Answer run_batch(Call& call, Step&& step) {
    auto const requests = call.array<Request>(0);
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
        auto const request = requests.read(done);
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
