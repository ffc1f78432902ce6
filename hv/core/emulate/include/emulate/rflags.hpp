/// RFLAGS bits that emulated instructions read and write (SDM vol. 1 §3.4.3).
#pragma once

#include <cstdint>

namespace emulate {

inline constexpr std::uint64_t kCarry = 1U << 0;
inline constexpr std::uint64_t kParity = 1U << 2;
inline constexpr std::uint64_t kAdjust = 1U << 4;
inline constexpr std::uint64_t kZero = 1U << 6;
inline constexpr std::uint64_t kSign = 1U << 7;
inline constexpr std::uint64_t kTrap = 1U << 8;
inline constexpr std::uint64_t kDirection = 1U << 10;
inline constexpr std::uint64_t kOverflow = 1U << 11;
inline constexpr std::uint64_t kResume = 1U << 16;

/// The six flags that describe a result.
inline constexpr std::uint64_t kStatusFlags = kCarry | kParity | kAdjust | kZero | kSign | kOverflow;

} // namespace emulate
