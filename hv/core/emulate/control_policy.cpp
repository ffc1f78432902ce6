#include "emulate/control_policy.hpp"

#include "abi/xen.hpp"
#include "base/frame.hpp"

namespace emulate {
namespace {

using base::Err;
using base::Error;

// PE MP ET NE WP AM PG: protected mode, paging, native FPU errors
constexpr std::uint64_t kVisibleCr0 = 1U << 0 | 1U << 1 | 1U << 4 | 1U << 5 | 1U << 16 | 1U << 18 | 1U << 31;
// PAE MCE OSFXSR OSXMMEXCPT: on for every guest
constexpr std::uint64_t kVisibleCr4 = 1U << 5 | 1U << 6 | 1U << 9 | 1U << 10;

constexpr std::uint64_t kX87 = 1U << 0;
constexpr std::uint64_t kSse = 1U << 1;
constexpr std::uint64_t kAvx = 1U << 2;
constexpr std::uint64_t kBounds = 3U << 3;
constexpr std::uint64_t kAvx512 = 7U << 5;
constexpr std::uint64_t kTiles = 3U << 17;

/// True if @p value has all of @p set or none.
constexpr bool all_or_none(std::uint64_t value, std::uint64_t set) {
    return (value & set) == 0 || (value & set) == set;
}

bool in_hypervisor_range(std::uint64_t address) {
    return address >= HYPERVISOR_VIRT_START && address < HYPERVISOR_VIRT_END;
}

/// DR7 (SDM vol. 3A §17.2.4): two enables a breakpoint from bit 0 on, kind and length of each from bit 16 on.
base::Result<std::uint64_t> written_dr7(std::uint64_t value) {
    constexpr std::uint64_t kFixed = 1U << 10;
    constexpr std::uint64_t kReserved = 1U << 11 | 1U << 12 | 1U << 14 | 1U << 15;
    constexpr std::uint64_t kGeneralDetect = 1U << 13; // the debug registers are not the guest's to guard
    constexpr unsigned kIo = 2;
    if (value >> 32 != 0)
        return Err{Error::invalid};
    if ((value & kGeneralDetect) != 0)
        return Err{Error::not_permitted};
    for (unsigned breakpoint = 0; breakpoint < 4; ++breakpoint) {
        bool const enabled = (value >> (2 * breakpoint) & 3) != 0;
        bool const io = (value >> (16 + 4 * breakpoint) & 3) == kIo;
        if (enabled && io) // the hypervisor's own port accesses would hit it
            return Err{Error::not_permitted};
    }
    return (value & ~kReserved) | kFixed;
}

} // namespace

std::uint64_t visible_cr0(bool task_switched) { return kVisibleCr0 | (task_switched ? kCr0TaskSwitched : 0); }

base::Result<bool> written_cr0(std::uint64_t value) {
    if ((value & ~kCr0TaskSwitched) != kVisibleCr0)
        return Err{Error::invalid};
    return (value & kCr0TaskSwitched) != 0;
}

std::uint64_t visible_cr4(std::uint64_t own) { return kVisibleCr4 | (own & kGuestCr4); }

std::uint64_t written_cr4(std::uint64_t value, bool fsgsbase_offered, bool xsave_offered) {
    std::uint64_t own = value & kGuestCr4;
    if (!fsgsbase_offered)
        own &= ~kCr4FsGsBase;
    if (!xsave_offered)
        own &= ~kCr4OsXsave;
    return own;
}

bool valid_xcr0(std::uint64_t value, std::uint64_t offered) {
    if ((value & kX87) == 0 || (value & ~offered) != 0)
        return false;
    if ((value & kAvx) != 0 && (value & kSse) == 0)
        return false;
    if ((value & kAvx512) != 0 && (value & kAvx) == 0)
        return false;
    return all_or_none(value, kAvx512) && all_or_none(value, kBounds) && all_or_none(value, kTiles);
}

base::Result<std::uint64_t> written_debug(unsigned number, std::uint64_t value) {
    if (number < 4) {
        if (!base::canonical(base::Vaddr{value}) || in_hypervisor_range(value))
            return Err{Error::not_permitted};
        return value;
    }
    if (number == 6) {
        constexpr std::uint64_t kOnes = 0xffff0ff0;
        constexpr std::uint64_t kWritable = 0xe00f; // B0..B3 BD BS BT
        if (value >> 32 != 0)
            return Err{Error::invalid};
        return (value & kWritable) | kOnes;
    }
    if (number == 7)
        return written_dr7(value);
    return Err{Error::invalid};
}

} // namespace emulate
