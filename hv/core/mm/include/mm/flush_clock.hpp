/// What the frame allocator asks about TLBs (SP-2), of any object that can answer. Stamps are moments of a clock that
/// counts flushes (shadow_pt/tlb_clock.hpp).
#pragma once

#include <concepts>
#include <cstdint>

namespace mm {

class FlushClock;

template <typename C>
concept FlushClockSource = !std::same_as<C, FlushClock> && requires(C & clock, std::uint32_t stamp) {
    /// The stamp of what is unmapped now.
    { clock.now() } -> std::same_as<std::uint32_t>;
    /// Every CPU has flushed since @p stamp: no TLB knows the frame any more. Called with a lock of rank `frames`, so
    /// it takes none.
    { clock.is_safe(stamp) } -> std::same_as<bool>;
    /// Asks the CPUs that have not to flush soon; never waits.
    { clock.ask(stamp) } -> std::same_as<void>;
};

/// Refers to such an object, which must outlive it.
class FlushClock {
  public:
    template <FlushClockSource Clock>
    explicit FlushClock(Clock& clock)
        : clock_{&clock},
          now_{[](void* self) { return static_cast<Clock*>(self)->now(); }},
          is_safe_{[](void* self, std::uint32_t stamp) { return static_cast<Clock*>(self)->is_safe(stamp); }},
          ask_{[](void* self, std::uint32_t stamp) { static_cast<Clock*>(self)->ask(stamp); }} {}

    [[nodiscard]] std::uint32_t now() const { return now_(clock_); }
    [[nodiscard]] bool is_safe(std::uint32_t stamp) const { return is_safe_(clock_, stamp); }
    void ask(std::uint32_t stamp) const { ask_(clock_, stamp); }

  private:
    void* clock_;
    std::uint32_t (*now_)(void*);
    bool (*is_safe_)(void*, std::uint32_t);
    void (*ask_)(void*, std::uint32_t);
};

} // namespace mm
