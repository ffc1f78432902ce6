#include "timing/time_info.hpp"

namespace timing {

vcpu_time_info_t time_info(SystemClock const& clock, std::uint64_t tsc, TscStable stable) {
    vcpu_time_info_t info{};
    info.tsc_timestamp = stable == TscStable::yes ? clock.start() : tsc;
    info.system_time = clock.now(info.tsc_timestamp);
    info.tsc_to_system_mul = clock.to_ns().multiplier;
    info.tsc_shift = clock.to_ns().shift;
    info.flags = stable == TscStable::yes ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
    return info;
}

bool same_time(vcpu_time_info_t const& one, vcpu_time_info_t const& other) {
    return one.tsc_timestamp == other.tsc_timestamp && one.system_time == other.system_time &&
           one.tsc_to_system_mul == other.tsc_to_system_mul && one.tsc_shift == other.tsc_shift &&
           one.flags == other.flags;
}

void publish(vcpu_time_info_t& area, vcpu_time_info_t const& info) {
    constexpr auto relaxed = std::memory_order_relaxed;
    std::atomic_ref const version{area.version};
    // Odd from here on, whatever the guest has made of it.
    auto const during = version.load(relaxed) | 1;
    version.store(during, relaxed);
    std::atomic_thread_fence(std::memory_order_release); // a reader that sees a new field sees the odd version, too
    std::atomic_ref{area.tsc_timestamp}.store(info.tsc_timestamp, relaxed);
    std::atomic_ref{area.system_time}.store(info.system_time, relaxed);
    std::atomic_ref{area.tsc_to_system_mul}.store(info.tsc_to_system_mul, relaxed);
    std::atomic_ref{area.tsc_shift}.store(info.tsc_shift, relaxed);
    std::atomic_ref{area.flags}.store(info.flags, relaxed);
    version.store(during + 1, std::memory_order_release);
}

} // namespace timing
