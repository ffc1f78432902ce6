/// The serial line: a 16550, by polling; interrupts tell only that something was typed.
#pragma once

#include <cstdint>

namespace x86 {

struct SerialLine {
    std::uint16_t port = 0x3f8;
    std::uint32_t baud = 115200; ///< 0: leave it as it is
    std::uint8_t data_bits = 8;
    char parity = 'n'; ///< n, o, e, m, s
    std::uint8_t stop_bits = 1;
};

/// Sets the line up; from then on arch::console_write() goes there. False if there is no UART at the port.
bool open_serial(SerialLine const& line);
/// No console at all: arch::console_write() goes nowhere.
void close_serial();
/// Waits until all that was written is on the line. Before the machine is switched off.
void drain_serial();
/// Lets the UART interrupt when it has received something.
void enable_serial_interrupt();

} // namespace x86
