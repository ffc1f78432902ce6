#include "domain/ports.hpp"

#include "arch/cpu.hpp"

namespace domain {
namespace {

using emulate::PortUse;

constexpr std::uint16_t kRtcIndex = 0x70;
constexpr std::uint16_t kRtcData = 0x71;
constexpr std::uint32_t kPorts = 65'536;

} // namespace

void Ports::open_hardware() const {
    // The CPU looks at the bit of each byte of an access: one that touches a port of the hypervisor's traps as a whole.
    for (std::uint32_t port = 0; port < kPorts; ++port) {
        auto const one = static_cast<std::uint16_t>(port);
        if (emulate::port_use(emulate::DomainKind::hardware, facts, one, 1) == PortUse::hardware)
            arch::open_port(one);
    }
}

std::uint32_t Ports::read(Domain&, emulate::DomainKind kind, std::uint16_t port, unsigned bytes) {
    switch (emulate::port_use(kind, facts, port, bytes)) {
    case PortUse::hardware:
    case PortUse::power:
    case PortUse::reset:
    case PortUse::timer:
        return arch::port_in(port, bytes); // reading disturbs nobody; channel 2 is not the hypervisor's
    case PortUse::absent: break;
    case PortUse::rtc:
        if (port == kRtcData && bytes == 1)
            return latches_.with([](Latches const& latches) {
                arch::port_out(kRtcIndex, 1, latches.rtc_index);
                return arch::port_in(kRtcData, 1);
            });
        break;
    case PortUse::pci_address: return latches_.with([](Latches const& latches) { return latches.pci.latch; });
    case PortUse::pci_data: {
        auto const address = latches_.with([](Latches const& latches) { return latches.pci; });
        return address.enabled() ? pci_.read_at(address.latch, port, bytes) : emulate::absent_value(bytes);
    }
    }
    return emulate::absent_value(bytes);
}

void Ports::write(Domain&, emulate::DomainKind kind, std::uint16_t port, unsigned bytes, std::uint32_t value) {
    switch (emulate::port_use(kind, facts, port, bytes)) {
    case PortUse::hardware: arch::port_out(port, bytes, value); return;
    case PortUse::timer: arch::port_out(port, bytes, value); return;
    // Ending the machine is dom0's right; that it is asked for through a port changes nothing.
    case PortUse::power:
    case PortUse::reset: arch::port_out(port, bytes, value); return;
    case PortUse::absent: return;
    case PortUse::rtc:
        if (bytes != 1)
            return;
        latches_.with([&](Latches& latches) {
            if (port == kRtcIndex) {
                latches.rtc_index = static_cast<std::uint8_t>(value);
                return;
            }
            arch::port_out(kRtcIndex, 1, latches.rtc_index);
            arch::port_out(kRtcData, 1, value);
        });
        return;
    case PortUse::pci_address: latches_.with([&](Latches& latches) { latches.pci.latch = value; }); return;
    case PortUse::pci_data:
        if (auto const address = latches_.with([](Latches const& latches) { return latches.pci; }); address.enabled())
            pci_.write_at(address.latch, port, bytes, value);
        return;
    }
}

} // namespace domain
