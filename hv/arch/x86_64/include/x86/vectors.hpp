/// Interrupt vectors. Higher ones are more urgent, in classes of 16.
#pragma once

#include <cstdint>

namespace x86 {

enum Vector : std::uint32_t {
    kDebug = 1,
    kNmi = 2,
    kBreakpoint = 3,
    kOverflow = 4,
    kDoubleFault = 8,
    kPageFault = 14,
    kMachineCheck = 18,
    kExceptions = 32, ///< lower ones are the CPU's own exceptions

    kLegacyPics = 0x20,       ///< 16 of them: where the masked 8259s may still say "spurious"
    kFirstDevice = 0x30,      ///< free for devices, up to kLastDevice, 0x80 aside
    kLegacySystemCall = 0x80, ///< INT 0x80 of a guest
    kLastDevice = 0xef,
    kSerial = 0xf0, ///< something was typed on the console
    kTimer = 0xf8,
    kKick = 0xf9, ///< arch::kick()
    kApicError = 0xfe,
    kSpurious = 0xff,
};

/// True for what a device, another CPU or the timer sends.
constexpr bool is_interrupt(std::uint32_t vector) {
    return vector >= kExceptions && vector < 256 && vector != kLegacySystemCall;
}

} // namespace x86
