/// What the frame allocator asks about TLBs (SP-2), answered by any object with these members, which must outlive the
/// FlushClock. Stamps are moments of a clock that counts flushes:
///
///     std::uint32_t now();                 the stamp of what is unmapped now
///     bool is_safe(std::uint32_t stamp);   every CPU has flushed since `stamp`: no TLB knows the frame any more.
///                                          Called with the allocator's lock held: takes no lock
///     void ask(std::uint32_t stamp);       asks the CPUs that have not to flush soon; never waits
#pragma once

#include <cstdint>

namespace mm {

class FlushClock {
  public:
    template <typename Clock> explicit FlushClock(Clock& clock)
        : clock_{&clock}, now_{[](void* self) -> std::uint32_t { return static_cast<Clock*>(self)->now(); }},
          is_safe_{[](void* self, std::uint32_t stamp) -> bool { return static_cast<Clock*>(self)->is_safe(stamp); }},
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
