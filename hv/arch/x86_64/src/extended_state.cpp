#include "x86/extended_state.hpp"

#include <cstring>

#include "arch/cpu.hpp"
#include "base/assert.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/cpuid.hpp"
#include "x86/features.hpp"
#include "x86/fixup.hpp"

namespace x86 {

namespace {

constexpr std::uint64_t kX87 = 1;
constexpr std::uint64_t kSse = 2;
/// x87, SSE, AVX and the three parts of AVX-512. What is not named here is not offered to guests.
constexpr std::uint64_t kOffered = kX87 | kSse | 1U << 2 | 1U << 5 | 1U << 6 | 1U << 7;

constexpr std::size_t kLegacySize = 512;
constexpr std::size_t kHeaderSize = 64;
// Within the first 512 bytes: MXCSR with its mask, the x87 registers, the XMM registers.
constexpr std::size_t kMxcsr = 24, kRegisters = 32, kXmm = 160;

std::uint64_t supported = kX87 | kSse;
std::size_t size = kLegacySize;
alignas(64) std::byte initial_state[kLegacySize + kHeaderSize];

/// XSAVE and XRSTOR with everything reachable, whatever the guest has chosen: TS clear, OSXSAVE set, all of XCR0. What
/// a vCPU has not enabled must be switched too, or it could be read by enabling it later.
class FullAccess {
  public:
    FullAccess() {
        auto& data = cpu_area.data;
        if (data.task_switched)
            clear_task_switched();
        if (!features().xsave)
            return;
        if ((data.cr4 & kCr4Osxsave) == 0)
            write_cr4(data.cr4 | kCr4Osxsave);
        if (data.xcr0 != supported)
            xsetbv(supported);
    }
    FullAccess(FullAccess const&) = delete;
    FullAccess& operator=(FullAccess const&) = delete;
    ~FullAccess() {
        auto const& data = cpu_area.data;
        if (features().xsave) {
            if (data.xcr0 != supported)
                xsetbv(data.xcr0);
            if ((data.cr4 & kCr4Osxsave) == 0)
                write_cr4(data.cr4);
        }
        if (data.task_switched)
            write_cr0(kCr0 | kCr0TaskSwitched);
    }
};

/// False if the CPU refuses what is in @p area.
bool restore(std::byte const* area) {
    std::uint32_t refused = 1;
    if (features().xsave)
        asm volatile("1: xrstor64 %1\n"
                     "xor %0, %0\n"
                     "2:\n" X86_FIXUP(1b, 2b)
                     : "+r"(refused)
                     : "m"(*area), "a"(static_cast<std::uint32_t>(supported)),
                       "d"(static_cast<std::uint32_t>(supported >> 32))
                     : "memory");
    else
        asm volatile("1: fxrstor64 %1\n"
                     "xor %0, %0\n"
                     "2:\n" X86_FIXUP(1b, 2b)
                     : "+r"(refused)
                     : "m"(*area)
                     : "memory");
    return refused == 0;
}

void save(std::byte* area) {
    auto const low = static_cast<std::uint32_t>(supported);
    auto const high = static_cast<std::uint32_t>(supported >> 32);
    if (features().xsaveopt)
        asm volatile("xsaveopt64 %0" : "+m"(*area) : "a"(low), "d"(high) : "memory");
    else if (features().xsave)
        asm volatile("xsave64 %0" : "+m"(*area) : "a"(low), "d"(high) : "memory");
    else
        asm volatile("fxsave64 %0" : "=m"(*area)::"memory");
}

/// XSTATE_BV: what @p area, written by XSAVE, holds; all else is in its initial state.
std::uint64_t components(std::byte const* area) {
    std::uint64_t held = 0;
    std::memcpy(&held, area + kLegacySize, sizeof held);
    return held;
}

void write_legacy_defaults(std::byte* area) {
    std::uint16_t const control = 0x37f;
    std::uint32_t const mxcsr = 0x1f80;
    std::memcpy(area, &control, sizeof control);
    std::memcpy(area + kMxcsr, &mxcsr, sizeof mxcsr);
}

} // namespace

void size_extended_state() {
    write_legacy_defaults(initial_state);
    if (!features().xsave)
        return;
    auto const offered = cpuid(0xd);
    supported = (std::uint64_t{offered.edx} << 32 | offered.eax) & kOffered;
    write_cr4(read_cr4() | kCr4Osxsave);
    xsetbv(supported);
    size = cpuid(0xd).ebx; // for what XCR0 says now
    write_cr4(read_cr4() & ~kCr4Osxsave);
}

void start_extended_state() {
    if (features().xsave) {
        write_cr4(cpu_area.data.cr4 | kCr4Osxsave);
        xsetbv(cpu_area.data.xcr0);
        write_cr4(cpu_area.data.cr4);
    }
    arch::load_extended_state(initial_state);
}

} // namespace x86

namespace arch {

using namespace x86;

std::size_t extended_state_size() { return size; }
std::uint64_t supported_xcr0() { return supported; }

void init_extended_state(std::byte* area) {
    std::memset(area, 0, size);
    write_legacy_defaults(area);
}

void read_legacy_state(std::byte const* area, LegacyState into) {
    std::memcpy(into.data(), area, kLegacySize);
    if (!features().xsave)
        return;
    // XSAVEOPT leaves alone what is in its initial state, and only says so.
    auto const held = components(area);
    auto const initial = [&](std::size_t from, std::size_t to) {
        std::memcpy(into.data() + from, initial_state + from, to - from);
    };
    if ((held & kX87) == 0) {
        initial(0, kMxcsr);
        initial(kRegisters, kXmm);
    }
    if ((held & kSse) == 0)
        initial(kXmm, kLegacySize);
}

void write_legacy_state(std::byte* area, std::span<std::byte const, 512> from) {
    std::memcpy(area, from.data(), kLegacySize);
    if (!features().xsave)
        return;
    auto const held = components(area) | kX87 | kSse;
    std::memcpy(area + kLegacySize, &held, sizeof held);
}

void save_extended_state(std::byte* area) {
    FullAccess const access;
    save(area);
}

bool load_extended_state(std::byte const* area) {
    FullAccess const access;
    if (restore(area))
        return true;
    bool const reset = restore(initial_state);
    ASSERT(reset);
    return false;
}

void set_xcr0(std::uint64_t value) {
    ASSERT((value & kX87) != 0 && (value & ~supported) == 0);
    auto& data = cpu_area.data;
    if (data.xcr0 == value || !features().xsave)
        return;
    data.xcr0 = value;
    bool const hidden = (data.cr4 & kCr4Osxsave) == 0;
    if (hidden)
        write_cr4(data.cr4 | kCr4Osxsave);
    xsetbv(value);
    if (hidden)
        write_cr4(data.cr4);
}

void set_task_switched(bool on) {
    auto& data = cpu_area.data;
    if (data.task_switched == on)
        return;
    data.task_switched = on;
    if (on)
        write_cr0(kCr0 | kCr0TaskSwitched);
    else
        clear_task_switched();
}

} // namespace arch
