/// The ACPI root pointer: where the list of all tables is (ACPI specification 6.4, §5.2.5).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "boot/physical_memory.hpp"

namespace boot {

struct Rsdp {
    std::uint8_t revision = 0; ///< 0: ACPI 1.0, an RSDT only; 2 and later: an XSDT
    base::Maddr rsdt;
    base::Maddr xsdt; ///< 0 if there is none

    [[nodiscard]] bool has_xsdt() const { return xsdt.raw() != 0; }
};

/// Reads the root pointer in @p bytes. invalid: too short, wrong signature, or a wrong checksum.
base::Result<Rsdp> parse_rsdp(base::Bytes bytes);

/// Looks for it where a PC BIOS leaves it: the first KiB of the EBDA and 0xe0000..0xfffff, at 16-byte boundaries.
/// not_found if it is not there.
base::Result<Rsdp> scan_for_rsdp(PhysicalMemory const& memory);

} // namespace boot
