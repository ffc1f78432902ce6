/// Lines, messages and registers of devices: remembered, for tests to look at.
#include "arch/devices.hpp"

#include "arch_fake/machine.hpp"
#include "base/assert.hpp"

using arch_fake::Machine;

namespace arch {

bool has_line(std::uint32_t gsi) { return gsi < Machine::current().lines.size(); }
std::uint32_t line_count() { return static_cast<std::uint32_t>(Machine::current().lines.size()); }

void route_line(std::uint32_t gsi, Destination const& to, LineMode mode) {
    Machine::current().lines.at(gsi) = {.to = to, .mode = mode, .masked = true};
}
void mask_line(std::uint32_t gsi) { Machine::current().lines.at(gsi).masked = true; }
void unmask_line(std::uint32_t gsi) { Machine::current().lines.at(gsi).masked = false; }

std::optional<std::uint32_t> read_io_apic(base::Maddr at, std::uint32_t which) {
    if (at != Machine::kIoApic)
        return std::nullopt;
    constexpr std::uint32_t kVersion = 1;
    return which == kVersion ? (line_count() - 1) << 16 | 0x20 : 0;
}

Message message_for(Destination const& to) {
    return {.address = 0xfee0'0000 | std::uint64_t{to.cpu.raw()} << 12, .data = to.vector};
}

FirmwareId firmware_id(base::CpuId cpu) { return {.apic_id = 2 * cpu.raw(), .acpi_id = cpu.raw()}; }

bool write_device(base::Maddr at, std::uint32_t value) {
    ASSERT(at.raw() % sizeof value == 0);
    Machine::current().device_words[at.raw()] = value;
    return true;
}

} // namespace arch
