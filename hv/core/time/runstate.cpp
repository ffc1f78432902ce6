#include "timing/runstate.hpp"

namespace timing {

namespace {
constexpr auto relaxed = std::memory_order_relaxed;
}

void Runstate::enter(RunState state, std::uint64_t now) {
    auto const since = since_.load(relaxed);
    auto const until = now < since ? since : now;
    auto& spent = times_[static_cast<std::size_t>(state_.load(relaxed))];

    auto const version = version_.load(relaxed);
    version_.store(version + 1, relaxed);
    std::atomic_thread_fence(std::memory_order_release); // a reader that sees a new field sees the odd version, too
    spent.store(spent.load(relaxed) + (until - since), relaxed);
    since_.store(until, relaxed);
    state_.store(state, relaxed);
    version_.store(version + 2, std::memory_order_release);
}

void Runstate::restore(vcpu_runstate_info_t const& info) {
    auto const version = version_.load(relaxed);
    version_.store(version + 1, relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i < kStates; ++i)
        times_[i].store(info.time[i], relaxed);
    since_.store(info.state_entry_time, relaxed);
    state_.store(static_cast<RunState>(info.state), relaxed);
    version_.store(version + 2, std::memory_order_release);
}

vcpu_runstate_info_t Runstate::at_last_change() const {
    for (;;) {
        auto const before = version_.load(std::memory_order_acquire);
        vcpu_runstate_info_t info{};
        info.state = static_cast<int>(state_.load(relaxed));
        info.state_entry_time = since_.load(relaxed);
        for (std::size_t i = 0; i < kStates; ++i)
            info.time[i] = times_[i].load(relaxed);
        std::atomic_thread_fence(std::memory_order_acquire); // all fields before the second look at the version
        if (before % 2 == 0 && version_.load(relaxed) == before)
            return info;
        __builtin_ia32_pause();
    }
}

vcpu_runstate_info_t Runstate::up_to(std::uint64_t now) const {
    auto info = at_last_change();
    if (now > info.state_entry_time)
        info.time[info.state] += now - info.state_entry_time;
    return info;
}

} // namespace timing
