#include "x86/serial.hpp"

#include "arch/cpu.hpp"
#include "x86/control.hpp"
#include "x86/port.hpp"

namespace x86 {

namespace {

/// Registers, from the port on.
enum Uart : std::uint16_t {
    data = 0,
    interrupts = 1,
    fifo = 2,
    line_control = 3,
    modem = 4,
    line_status = 5,
    scratch = 7
};

constexpr std::uint8_t kDivisorAccess = 0x80;
constexpr std::uint8_t kReceived = 1U << 0;
constexpr std::uint8_t kRoomToSend = 1U << 5; ///< the whole FIFO is empty
constexpr std::uint8_t kAllSent = 1U << 6;
constexpr unsigned kFifoBytes = 16;
constexpr std::uint32_t kPatience = 100'000; ///< polls of about a microsecond: 9600 baud send a FIFO in a sixth of that

std::uint16_t port = 0; ///< 0: no console
unsigned room = 0;      ///< bytes that the FIFO will take for sure
bool stuck = false;     ///< it sends nothing: whoever writes waits no more until it does

std::uint8_t parity_bits(char parity) {
    switch (parity) {
    case 'o': return 0x08;
    case 'e': return 0x18;
    case 'm': return 0x28;
    case 's': return 0x38;
    default: return 0;
    }
}

std::uint8_t read(Uart which) { return in8(static_cast<std::uint16_t>(port + which)); }
void write(Uart which, std::uint8_t value) { out8(static_cast<std::uint16_t>(port + which), value); }

/// A byte that a stuck line does not take is dropped: it must not hang us, nor all who wait for the console meanwhile.
void send(std::uint8_t byte) {
    if (room == 0) {
        for (std::uint32_t polls = stuck ? kPatience : 0; (read(line_status) & kRoomToSend) == 0; ++polls) {
            if (polls >= kPatience) {
                stuck = true;
                return;
            }
            pause();
        }
        stuck = false;
        room = kFifoBytes;
    }
    --room;
    write(data, byte);
}

} // namespace

bool open_serial(SerialLine const& line) {
    port = line.port;
    room = 0;
    stuck = false;
    write(scratch, 0x5a);
    if (read(scratch) != 0x5a) {
        close_serial();
        return false;
    }
    write(interrupts, 0);
    if (line.baud != 0) {
        constexpr std::uint32_t kClock = 115'200;
        auto const divisor = line.baud >= kClock ? 1 : kClock / line.baud;
        auto const format = static_cast<std::uint8_t>((line.data_bits - 5U) | (line.stop_bits == 2 ? 4U : 0U) |
                                                      parity_bits(line.parity));
        write(line_control, kDivisorAccess | format);
        write(data, static_cast<std::uint8_t>(divisor));
        write(interrupts, static_cast<std::uint8_t>(divisor >> 8));
        write(line_control, format);
    }
    write(fifo, 0x07);  // on, and emptied
    write(modem, 0x0b); // DTR, RTS, and the gate of the interrupt line
    return true;
}

void drain_serial() {
    for (std::uint32_t i = 0; port != 0 && i < kPatience && (read(line_status) & kAllSent) == 0; ++i)
        pause();
}

void close_serial() { port = 0; }

void enable_serial_interrupt() {
    if (port != 0)
        write(interrupts, 1);
}

} // namespace x86

namespace arch {

void console_write(std::span<char const> text) {
    if (x86::port == 0)
        return;
    for (char const letter : text)
        x86::send(static_cast<std::uint8_t>(letter));
}

std::size_t console_read(std::span<char> into) {
    if (x86::port == 0)
        return 0;
    std::size_t count = 0;
    while (count < into.size() && (x86::read(x86::line_status) & x86::kReceived) != 0)
        into[count++] = static_cast<char>(x86::read(x86::data));
    return count;
}

} // namespace arch
