/// Virtual time: how much of a CPU an entity has had, in nanoseconds, divided by its weight. Whoever has had least runs.
#pragma once

#include <cstdint>

namespace sched {

/// It wraps (after 584 years at the default weight, two years at the least): compare by difference.
class VirtualTime {
  public:
    constexpr VirtualTime() = default;
    constexpr explicit VirtualTime(std::uint64_t raw) : raw_{raw} {}

    [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }

    constexpr bool operator==(VirtualTime const&) const = default;
    constexpr bool operator<(VirtualTime other) const { return static_cast<std::int64_t>(raw_ - other.raw_) < 0; }
    constexpr VirtualTime operator+(std::uint64_t ns) const { return VirtualTime{raw_ + ns}; }
    constexpr VirtualTime operator-(std::uint64_t ns) const { return VirtualTime{raw_ - ns}; }

  private:
    std::uint64_t raw_ = 0;
};

constexpr VirtualTime later(VirtualTime a, VirtualTime b) { return a < b ? b : a; }
constexpr VirtualTime earlier(VirtualTime a, VirtualTime b) { return a < b ? a : b; }

} // namespace sched
