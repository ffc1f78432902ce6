/// Instructions on a guest's behalf.
#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"
#include "base/assert.hpp"

using arch_fake::Event;
using arch_fake::Machine;

namespace arch {

CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
    auto const& known = Machine::current().cpuid;
    auto const found = known.find({leaf, subleaf});
    return found == known.end() ? CpuidResult{} : found->second;
}

std::optional<std::uint64_t> read_msr(std::uint32_t msr) {
    auto const& known = Machine::current().msrs;
    auto const found = known.find(msr);
    return found == known.end() ? std::nullopt : std::optional{found->second};
}

bool write_msr(std::uint32_t msr, std::uint64_t value) {
    Machine& machine = Machine::current();
    machine.record({.kind = Event::Kind::write_msr, .slot = msr, .value = value});
    auto const found = machine.msrs.find(msr);
    bool const known = found != machine.msrs.end();
    if (known)
        found->second = value;
    return known;
}

std::uint32_t port_in(std::uint16_t port, unsigned bytes) {
    ASSERT(bytes == 1 || bytes == 2 || bytes == 4);
    auto const& known = Machine::current().ports;
    auto const found = known.find(port);
    auto const value = found == known.end() ? ~std::uint32_t{0} : found->second;
    return bytes == 4 ? value : value & ((std::uint32_t{1} << (8 * bytes)) - 1);
}

void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) {
    ASSERT(bytes == 1 || bytes == 2 || bytes == 4);
    Machine::current().record({.kind = Event::Kind::port_out, .slot = port, .value = value});
}

void open_port(std::uint16_t port) { Machine::current().open_ports.insert(port); }
void allow_open_ports(bool guest_may) { Machine::current().this_cpu().ports_allowed = guest_may; }

void write_back_caches() { Machine::current().record({.kind = Event::Kind::write_back_caches}); }

} // namespace arch
