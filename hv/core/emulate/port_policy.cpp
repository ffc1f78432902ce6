#include "emulate/port_policy.hpp"

namespace emulate {
namespace {

/// dom0's exceptions; every other port is the hardware's. What only start of day knows is in PortFacts.
constexpr PortRow kTable[] = {
    {0x20, 0x21, PortUse::absent, "first PIC: masked; interrupts come through the IO-APIC"},
    {0x40, 0x43, PortUse::timer, "PIT: Linux calibrates by channel 2"},
    {0x61, 0x61, PortUse::timer, "gate and output of PIT channel 2"},
    {0x70, 0x71, PortUse::rtc, "real-time clock: shared with the hypervisor"},
    {0xa0, 0xa1, PortUse::absent, "second PIC: masked"},
    {0x4d0, 0x4d1, PortUse::absent, "PIC trigger modes: the hypervisor's, by the MADT"},
    {0xcf9, 0xcf9, PortUse::reset, "reset control"},
    {0xcfc, 0xcff, PortUse::pci_data, "configuration space, at this domain's own address"},
};

constexpr std::uint16_t kPciAddress = 0xcf8;
constexpr std::uint32_t kUartPorts = 8;
constexpr std::uint32_t kPm1ControlBytes = 2;

constexpr bool within(std::uint32_t port, std::uint16_t first, std::uint32_t count) {
    return first != 0 && port >= first && port < first + count;
}

PortUse use_of(PortFacts const& facts, std::uint32_t port) {
    if (port > 0xffff || within(port, facts.uart, kUartPorts))
        return PortUse::absent;
    if (within(port, facts.pm1a_control, kPm1ControlBytes) || within(port, facts.pm1b_control, kPm1ControlBytes))
        return PortUse::power;
    for (PortRow const& row : kTable)
        if (port >= row.first && port <= row.last)
            return row.use;
    return PortUse::hardware;
}

/// Watched or not, it is the device itself that answers.
constexpr bool is_real(PortUse use) {
    return use == PortUse::hardware || use == PortUse::power || use == PortUse::reset;
}

} // namespace

std::span<PortRow const> port_table() { return kTable; }

PortUse port_use(DomainKind kind, PortFacts const& facts, std::uint16_t port, unsigned bytes) {
    if (kind != DomainKind::hardware)
        return PortUse::absent;
    if (port == kPciAddress && bytes == 4) // narrower accesses there are to other devices
        return PortUse::pci_address;

    PortUse whole = use_of(facts, port);
    for (unsigned i = 1; i < bytes; ++i) {
        PortUse const one = use_of(facts, std::uint32_t{port} + i);
        if (one == whole)
            continue;
        if (!is_real(one) || !is_real(whole)) // devices beside each other: nobody answers for both
            return PortUse::absent;
        if (whole == PortUse::hardware)
            whole = one;
    }
    return whole;
}

} // namespace emulate
