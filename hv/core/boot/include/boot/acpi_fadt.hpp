/// Fixed ACPI Description Table: what a hypervisor needs of it, which is power and reset (ACPI specification 6.4,
/// §5.2.9). The X_ fields count before the old ones, as the specification says, unless they are 0.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "boot/acpi_table.hpp"

namespace boot {

struct Fadt {
    std::uint8_t revision = 0;
    std::uint16_t sci_irq = 0; ///< ISA number, or GSI where there are no 8259s
    std::uint32_t smi_command = 0;
    std::uint8_t acpi_enable = 0; ///< written to smi_command: ACPI mode on
    std::uint16_t boot_flags = 0; ///< IAPC_BOOT_ARCH: has_8042() and its kin
    std::uint32_t flags = 0;
    base::Maddr dsdt;
    GenericAddress pm1a_event, pm1b_event;
    GenericAddress pm1a_control, pm1b_control; ///< SLP_TYP and SLP_EN go here; pm1b may be absent
    GenericAddress pm_timer;
    GenericAddress reset; ///< absent unless the flags say that it works
    std::uint8_t reset_value = 0;

    [[nodiscard]] bool hardware_reduced() const { return (flags & (1U << 20)) != 0; }
    [[nodiscard]] bool wide_pm_timer() const { return (flags & (1U << 8)) != 0; } ///< 32 bits, not 24
    [[nodiscard]] bool has_8042() const { return (boot_flags & (1U << 1)) != 0; }
};

/// Reads the whole table @p table. invalid if it is shorter than the first revision's 116 bytes.
base::Result<Fadt> parse_fadt(base::Bytes table);

} // namespace boot
