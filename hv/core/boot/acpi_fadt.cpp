#include "boot/acpi_fadt.hpp"

#include <optional>

namespace boot {

using base::Bytes;
using base::Error;
using base::Maddr;

namespace {

/// The table as of ACPI 1.0, which every machine has.
struct [[gnu::packed]] FadtV1 {
    TableHeader header;
    std::uint32_t facs;
    std::uint32_t dsdt;
    std::uint8_t model;
    std::uint8_t profile;
    std::uint16_t sci_irq;
    std::uint32_t smi_command;
    std::uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    std::uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    std::uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
    std::uint8_t gpe0_length, gpe1_length, gpe1_base, cst;
    std::uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    std::uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    std::uint16_t boot_flags; ///< reserved in ACPI 1.0, and 0 there
    std::uint8_t reserved;
    std::uint32_t flags;
};
static_assert(sizeof(FadtV1) == 116);

/// What ACPI 2.0 appended. Tables end where their revision ends, so each field is read on its own.
constexpr std::size_t kReset = 116;
constexpr std::size_t kResetValue = 128;
constexpr std::size_t kXDsdt = 140;
constexpr std::size_t kXPm1aEvent = 148;
constexpr std::size_t kXPm1bEvent = 160;
constexpr std::size_t kXPm1aControl = 172;
constexpr std::size_t kXPm1bControl = 184;
constexpr std::size_t kXPmTimer = 208;

constexpr std::uint32_t kResetWorks = 1U << 10; ///< RESET_REG_SUP

/// The extended field at @p offset, or the I/O port of ACPI 1.0 if there is none. Both 0: no such register.
GenericAddress register_at(Bytes table, std::size_t offset, std::uint32_t port, std::uint8_t bytes) {
    if (auto const extended = base::load<GenericAddress>(table, offset); extended && extended->present())
        return *extended;
    if (port == 0)
        return {};
    return {.space = GenericAddress::Space::io,
            .bit_width = static_cast<std::uint8_t>(bytes * 8),
            .bit_offset = 0,
            .access_size = 0,
            .address = port};
}

} // namespace

base::Result<Fadt> parse_fadt(Bytes table) {
    auto const old = base::load<FadtV1>(table);
    if (!old)
        return base::Err{Error::invalid};

    Fadt fadt{.revision = old->header.revision,
              .sci_irq = old->sci_irq,
              .smi_command = old->smi_command,
              .acpi_enable = old->acpi_enable,
              .boot_flags = old->boot_flags,
              .flags = old->flags,
              .dsdt = Maddr{old->dsdt},
              .pm1a_event = register_at(table, kXPm1aEvent, old->pm1a_event, old->pm1_event_length),
              .pm1b_event = register_at(table, kXPm1bEvent, old->pm1b_event, old->pm1_event_length),
              .pm1a_control = register_at(table, kXPm1aControl, old->pm1a_control, old->pm1_control_length),
              .pm1b_control = register_at(table, kXPm1bControl, old->pm1b_control, old->pm1_control_length),
              .pm_timer = register_at(table, kXPmTimer, old->pm_timer, old->pm_timer_length),
              .reset = {},
              .reset_value = 0};
    if (auto const dsdt = base::load<std::uint64_t>(table, kXDsdt); dsdt && *dsdt != 0)
        fadt.dsdt = Maddr{*dsdt};
    auto const reset = base::load<GenericAddress>(table, kReset);
    auto const reset_value = base::load<std::uint8_t>(table, kResetValue);
    if (reset && reset_value && (old->flags & kResetWorks) != 0) {
        fadt.reset = *reset;
        fadt.reset_value = *reset_value;
    }
    return fadt;
}

} // namespace boot
