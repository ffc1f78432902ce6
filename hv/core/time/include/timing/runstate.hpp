/// Where a vCPU's time went: running, runnable (waiting for a CPU), blocked, offline (docs/abi.md §5.6).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/xen.hpp"

namespace timing {

enum class RunState : std::uint8_t {
    running = RUNSTATE_running,
    runnable = RUNSTATE_runnable,
    blocked = RUNSTATE_blocked,
    offline = RUNSTATE_offline,
};

/// One writer at a time (the scheduler, under the run queue's lock); anyone may read at any time.
class Runstate {
  public:
    /// Begins at time 0, offline.
    Runstate() = default;

    /// The vCPU is in @p state from @p now on. A @p now before the last change (a CPU a little behind) counts as it.
    void enter(RunState state, std::uint64_t now);

    /// Becomes what @p info says, of a vCPU that has come from another host. Its state's number is below 4.
    void restore(vcpu_runstate_info_t const& info);

    /// As of the last change: what the area in the guest's memory shows.
    [[nodiscard]] vcpu_runstate_info_t at_last_change() const;
    /// The same with the time in the current state counted up to @p now.
    [[nodiscard]] vcpu_runstate_info_t up_to(std::uint64_t now) const;

  private:
    static constexpr std::size_t kStates = 4;

    std::atomic<std::uint32_t> version_{0}; ///< odd while the rest changes
    std::atomic<RunState> state_{RunState::offline};
    std::atomic<std::uint64_t> since_{0};
    std::array<std::atomic<std::uint64_t>, kStates> times_{};
};

/// Writes @p info to a guest's area through @p write(offset, bytes) -> bool, in as many steps as the guest's choice
/// needs: with @p update_flag (VMASST_TYPE_runstate_update_flag), XEN_RUNSTATE_UPDATE stands in state_entry_time while
/// the other fields change. Ends early, with false, when a write fails (the area is gone).
template <typename Write> bool publish(vcpu_runstate_info_t info, bool update_flag, Write&& write) {
    auto const bytes = [](auto const& value) { return std::as_bytes(std::span{&value, 1}); };
    if (!update_flag)
        return write(std::size_t{0}, bytes(info));

    constexpr auto kEntryTime = offsetof(vcpu_runstate_info_t, state_entry_time);
    auto const entry_time = info.state_entry_time;
    info.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (!write(kEntryTime, bytes(info.state_entry_time)))
        return false;
    std::atomic_thread_fence(std::memory_order_release); // the flag is seen before any new field
    if (!write(std::size_t{0}, bytes(info)))
        return false;
    std::atomic_thread_fence(std::memory_order_release); // every new field is seen before the flag goes
    return write(kEntryTime, bytes(entry_time));
}

} // namespace timing
