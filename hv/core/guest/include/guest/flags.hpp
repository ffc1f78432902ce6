/// RFLAGS bits (SDM vol. 1 §3.4.3).
#pragma once

#include <cstdint>

namespace guest {

inline constexpr std::uint64_t kFlagFixed = 1U << 1; ///< reads as 1
inline constexpr std::uint64_t kFlagTrap = 1U << 8;
inline constexpr std::uint64_t kFlagInterrupt = 1U << 9;
inline constexpr std::uint64_t kFlagDirection = 1U << 10;
inline constexpr unsigned kIoplShift = 12;
inline constexpr std::uint64_t kFlagIopl = 3U << kIoplShift;
inline constexpr std::uint64_t kFlagNestedTask = 1U << 14;
inline constexpr std::uint64_t kFlagResume = 1U << 16;
inline constexpr std::uint64_t kFlagVirtual8086 = 1U << 17;
inline constexpr std::uint64_t kFlagAlignmentCheck = 1U << 18;

/// What a guest may hold in RFLAGS while it runs; IF is always on, its own is evtchn_upcall_mask.
inline constexpr std::uint64_t kGuestFlags = 0x0000'0000'0025'4dd5; // ID AC RF NT OF DF TF SF ZF AF PF CF

/// RFLAGS to run a guest with, made from what the guest asked for.
constexpr std::uint64_t guest_rflags(std::uint64_t wanted) {
    return (wanted & kGuestFlags) | kFlagFixed | kFlagInterrupt;
}

} // namespace guest
