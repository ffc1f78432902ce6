/// The two questions that the frame allocator has about TLBs (SP-2). shadow-pt's clock answers them; so does any object
/// with these members, which must outlive the FlushClock:
///
///     bool is_safe(std::uint32_t stamp);   every CPU has flushed since @p stamp: no TLB knows the frame any more
///     void ask(std::uint32_t stamp);       ask the CPUs that have not to flush soon; never waits
#pragma once

#include <cstdint>

namespace mm {

class FlushClock {
  public:
    template <typename Clock> explicit FlushClock(Clock& clock)
        : clock_{&clock},
          is_safe_{[](void* self, std::uint32_t stamp) -> bool { return static_cast<Clock*>(self)->is_safe(stamp); }},
          ask_{[](void* self, std::uint32_t stamp) { static_cast<Clock*>(self)->ask(stamp); }} {}

    [[nodiscard]] bool is_safe(std::uint32_t stamp) const { return is_safe_(clock_, stamp); }
    void ask(std::uint32_t stamp) const { ask_(clock_, stamp); }

  private:
    void* clock_;
    bool (*is_safe_)(void*, std::uint32_t);
    void (*ask_)(void*, std::uint32_t);
};

} // namespace mm
