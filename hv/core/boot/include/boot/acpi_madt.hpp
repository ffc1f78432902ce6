/// Multiple APIC Description Table: the CPUs and the interrupt controllers (ACPI specification 6.4, §5.2.12).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "base/number.hpp"
#include "base/result.hpp"

namespace boot {

/// A CPU that firmware has enabled. The table lists the boot CPU too, as a rule but not by law first.
struct MadtCpu {
    std::uint32_t apic_id = 0;
    std::uint32_t acpi_id = 0; ///< what _UID of the CPU's object says, and what the NMI entries name
};

struct MadtIoApic {
    std::uint32_t id = 0;
    base::Maddr address;
    std::uint32_t first_gsi = 0; ///< the global interrupt of its pin 0
};

/// MPS INTI flags: how an interrupt line is driven.
struct InterruptMode {
    enum class Polarity : std::uint8_t { bus = 0, high = 1, low = 3 };
    enum class Trigger : std::uint8_t { bus = 0, edge = 1, level = 3 };

    Polarity polarity = Polarity::bus; ///< `bus`: as the bus is by custom; high and edge for ISA
    Trigger trigger = Trigger::bus;

    constexpr bool operator==(InterruptMode const&) const = default;
};

/// An ISA interrupt that is not where it would be by default (GSI == IRQ, edge, high).
struct MadtOverride {
    std::uint8_t irq = 0;
    std::uint32_t gsi = 0;
    InterruptMode mode;
};

/// A GSI that is wired as NMI.
struct MadtNmi {
    std::uint32_t gsi = 0;
    InterruptMode mode;
};

/// A pin of local APICs that is wired as NMI.
struct MadtLocalNmi {
    static constexpr std::uint32_t kAllCpus = ~std::uint32_t{0};

    std::uint32_t acpi_id = kAllCpus;
    std::uint8_t lint = 1; ///< LINT0 or LINT1
    InterruptMode mode;
};

/// A large value (4 KiB): keep it in static storage.
struct Madt {
    base::Maddr local_apic;
    bool legacy_pics = false; ///< a pair of 8259s is there and must be masked
    base::FixedVector<MadtCpu, base::kMaxCpus> cpus;
    base::FixedVector<MadtIoApic, 16> io_apics;
    base::FixedVector<MadtOverride, 32> overrides;
    base::FixedVector<MadtNmi, 8> nmis;
    base::FixedVector<MadtLocalNmi, 16> local_nmis;
    std::uint32_t disabled_cpus = 0; ///< listed, but not enabled
    std::uint32_t dropped = 0;       ///< entries that were malformed, or did not fit into the lists
};

/// Fills @p into from the whole table @p table. An entry that makes no sense is counted in `dropped` and skipped;
/// a table whose entries do not follow each other (a length of 0 or past the end) is invalid.
base::Status parse_madt(base::Bytes table, Madt& into);

/// Where the ISA interrupt @p irq arrives.
MadtOverride isa_line(Madt const& madt, std::uint8_t irq);

} // namespace boot
