#include "hypercall/stamps.hpp"

#include <algorithm>

#include "abi/tern.h"

namespace hypercall {

using base::Err;
using base::Error;

Answer get_stamps(Call& call) {
    auto const request = TRY(call.read<tern_stamps>(1));
    auto& system = call.domain().system;
    auto* const subject = system.find(base::DomId{request.domain});
    if (subject == nullptr)
        return Err{Error::no_such_domain};

    tern_stamps found{};
    found.domain = request.domain;
    found.tsc = arch::read_tsc();
    found.tsc_khz = static_cast<std::uint32_t>(arch::tsc_khz());
    found.now = system.clock.now(found.tsc);
    auto const boot = system.wall_time_at_boot.with([](timing::WallTime const& time) { return time; });
    auto const nanoseconds = boot.nanoseconds + found.now;
    found.wall_seconds = boot.seconds + nanoseconds / timing::kNanosecondsPerSecond;
    found.wall_nanoseconds = static_cast<std::uint32_t>(nanoseconds % timing::kNanosecondsPerSecond);

    for (domain::Vcpu const* const vcpu : subject->vcpus)
        found.last_ran = std::max(found.last_ran, vcpu->left.load(std::memory_order_relaxed));
    found.first_ran = subject->stamps.first_ran;
    found.timer_stopped = subject->stamps.timer_stopped;
    found.timer_set = subject->stamps.timer_set;
    if (subject->pauses != 0)
        found.paused_since = subject->stamps.paused;
    if (subject->shut_down)
        found.shut_down_since = subject->stamps.shut_down;
    TRY(call.write(1, found));
    return 0;
}

} // namespace hypercall
