/// Foreign bytes for the ACPI parsers. The first byte of an input says what the rest is:
///   0  physical memory from 0xe0000 on, as it is: root pointer, lists and tables
///   1  tables behind one another, each `u8 kind, u16 size, contents`: given good headers, checksums and lists here, so
///      that the parsers behind the checksum are reached
#pragma once

#include "base/assert.hpp"
#include "unit/boot/firmware.hpp"

namespace fuzz {

inline void check(boot::Acpi const& acpi) {
    ASSERT(acpi.madt.cpus.size() <= base::kMaxCpus);
    for (std::size_t i = 0; i < acpi.madt.cpus.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            ASSERT(acpi.madt.cpus[i].apic_id != acpi.madt.cpus[j].apic_id);
    for (auto const& line : acpi.madt.overrides)
        ASSERT(line.irq < 16);
    if (acpi.mcfg)
        for (auto const& window : acpi.mcfg->windows)
            ASSERT(window.first_bus <= window.last_bus);
    if (acpi.hpet)
        ASSERT(acpi.hpet->address.raw() != 0);
}

inline bool feed_acpi_memory(base::Bytes memory) {
    auto const map = [memory](base::Maddr at, std::size_t count) {
        auto const start = test::Firmware::kBiosArea;
        return at < start ? base::Bytes{} : base::slice(memory, at - start, count).value_or(base::Bytes{});
    };
    boot::Acpi acpi;
    if (!boot::read_acpi(boot::PhysicalMemory{map}, memory, acpi))
        return false;
    check(acpi);
    return true;
}

inline bool feed_acpi_tables(base::Bytes input) {
    static constexpr std::array<std::string_view, 5> kKinds{"APIC", "FACP", "HPET", "MCFG", "SSDT"};
    test::Firmware firmware;
    std::size_t at = 0;
    while (auto const kind = base::load<std::uint8_t>(input, at)) {
        auto const size = base::load<std::uint16_t>(input, at + 1);
        auto const contents = size ? base::slice(input, at + 3, *size) : std::nullopt;
        if (!contents)
            break;
        firmware.add(test::acpi_table(kKinds[*kind % kKinds.size()], *contents));
        at += 3 + *size;
    }
    firmware.seal();
    boot::Acpi acpi;
    if (!boot::read_acpi(boot::PhysicalMemory{firmware.memory}, test::Firmware::pointer(), acpi))
        return false;
    check(acpi);
    return true;
}

/// True if the tables were good enough to be used.
inline bool feed_acpi(base::Bytes input) {
    if (input.empty())
        return false;
    auto const rest = input.subspan(1);
    return std::to_integer<unsigned>(input[0]) % 2 == 0 ? feed_acpi_memory(rest) : feed_acpi_tables(rest);
}

} // namespace fuzz
