// The domain's clock.
#include "arch/cpu.hpp"
#include "domain/areas.hpp"
#include "domain/lifecycle.hpp"
#include "snapshot/parts.hpp"
#include "timing/wall_clock.hpp"

namespace snapshot {
namespace {

timing::WallTime wall_time(domain::System& system, std::uint64_t now) {
    auto const at_boot = system.wall_time_at_boot.with([](timing::WallTime const& time) { return time; });
    return timing::shifted(at_boot, static_cast<std::int64_t>(now));
}

} // namespace

tern_record_time time_of(domain::Domain& subject) {
    auto& system = subject.system;
    auto const tsc = arch::read_tsc();
    auto const now = system.clock.now(tsc);
    auto const wall = wall_time(system, now);
    return {.system_time = subject.guest_time(now),
            .tsc = tsc,
            .tsc_khz = arch::tsc_khz(),
            .wall_seconds = wall.seconds,
            .wall_nanoseconds = wall.nanoseconds,
            .tsc_stable = arch::tsc_stable() ? 1U : 0U};
}

void restore_time(domain::Domain& subject, tern_record_time const& time, bool stood) {
    auto& system = subject.system;
    auto const now = system.now();
    timing::WallTime const then{.seconds = time.wall_seconds, .nanoseconds = time.wall_nanoseconds};
    auto const gone_by = stood ? 0 : timing::nanoseconds_between(then, wall_time(system, now));
    subject.clock_offset.store(time.system_time + gone_by - now);
    domain::tell_wall_clock(subject);
    for (domain::Vcpu* const vcpu : subject.vcpus)
        domain::write_time(*vcpu);
}

} // namespace snapshot
