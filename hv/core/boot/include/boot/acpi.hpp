/// All that the hypervisor wants to know from ACPI, in one call.
///
/// The tables are the firmware's: nothing in them is believed before it is checked, and no byte past the end of a table
/// is read. AML is not interpreted: that is dom0's work.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "base/fixed_vector.hpp"
#include "base/result.hpp"
#include "boot/acpi_fadt.hpp"
#include "boot/acpi_hpet.hpp"
#include "boot/acpi_madt.hpp"
#include "boot/acpi_mcfg.hpp"
#include "boot/acpi_rsdp.hpp"
#include "boot/acpi_table.hpp"
#include "boot/physical_memory.hpp"

namespace boot {

/// A table that was passed over, and why, for the log.
struct AcpiComplaint {
    Signature table{};
    std::string_view reason;
};

/// A large value (6 KiB): keep it in static storage.
struct Acpi {
    Rsdp rsdp;
    Madt madt;
    std::optional<Fadt> fadt;
    std::optional<Hpet> hpet;
    std::optional<Mcfg> mcfg;
    base::FixedVector<AcpiComplaint, 16> complaints;
};

/// Reads the tables. @p rsdp is the copy that the boot loader gave (BootInfo::rsdp); if it is empty or broken, the
/// BIOS area is searched. Only the MADT is indispensable: any other table that is missing or broken is left out, with
/// a complaint if it was broken. Errors: not_found (no root pointer, or no MADT), invalid (broken root table or MADT).
base::Status read_acpi(PhysicalMemory const& memory, base::Bytes rsdp, Acpi& into);

} // namespace boot
