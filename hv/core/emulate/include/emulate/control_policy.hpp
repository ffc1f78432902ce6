/// Control and debug registers as a PV guest has them (docs/abi.md §4.2, §3.2).
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace emulate {

inline constexpr std::uint64_t kCr0TaskSwitched = 1U << 3;
inline constexpr std::uint64_t kCr4Tsd = 1U << 2;
inline constexpr std::uint64_t kCr4De = 1U << 3;
inline constexpr std::uint64_t kCr4FsGsBase = 1U << 16;
inline constexpr std::uint64_t kCr4OsXsave = 1U << 18;

/// The bits of CR4 that are the guest's own; the hardware follows them while it runs.
inline constexpr std::uint64_t kGuestCr4 = kCr4Tsd | kCr4De | kCr4FsGsBase | kCr4OsXsave;

/// CR0 as the guest reads it: protected mode with paging, and its own TS.
[[nodiscard]] std::uint64_t visible_cr0(bool task_switched);
/// A write of CR0 may change TS and nothing else: the new TS, or Error::invalid for #GP.
[[nodiscard]] base::Result<bool> written_cr0(std::uint64_t value);

/// CR4 as the guest reads it, when its own bits are @p own.
[[nodiscard]] std::uint64_t visible_cr4(std::uint64_t own);
/// The guest's own bits after it wrote @p value. Never refuses: Linux writes what it read, less what it masks.
[[nodiscard]] std::uint64_t written_cr4(std::uint64_t value, bool fsgsbase_offered, bool xsave_offered);

/// Whether XSETBV may set XCR0 to @p value where @p offered may be had (SDM vol. 1 §13.3).
[[nodiscard]] bool valid_xcr0(std::uint64_t value, std::uint64_t offered);

/// What debug register @p number (0..3, 6, 7) holds after the guest writes @p value. Error::not_permitted for what a
/// guest may not watch (the hypervisor's addresses, ports), Error::invalid for what the CPU would refuse.
[[nodiscard]] base::Result<std::uint64_t> written_debug(unsigned number, std::uint64_t value);

} // namespace emulate
