#include "boot/acpi_madt.hpp"

#include <algorithm>
#include <memory>

#include "boot/acpi_table.hpp"

namespace boot {

using base::Bytes;
using base::Error;
using base::Maddr;

namespace {

struct [[gnu::packed]] MadtHeader {
    TableHeader common;
    std::uint32_t local_apic;
    std::uint32_t flags;
};
static_assert(sizeof(MadtHeader) == 44);

constexpr std::uint32_t kLegacyPics = 1; ///< PCAT_COMPAT, in MadtHeader::flags

enum class EntryType : std::uint8_t {
    local_apic = 0,
    io_apic = 1,
    override = 2,
    nmi = 3,
    local_nmi = 4,
    local_apic_address = 5,
    x2apic = 9,
    x2apic_nmi = 10,
};

struct EntryHeader {
    EntryType type;
    std::uint8_t length; ///< of the whole entry
};

struct [[gnu::packed]] LocalApicEntry {
    EntryHeader header;
    std::uint8_t acpi_id;
    std::uint8_t apic_id;
    std::uint32_t flags;
};
static_assert(sizeof(LocalApicEntry) == 8);

struct [[gnu::packed]] IoApicEntry {
    EntryHeader header;
    std::uint8_t id;
    std::uint8_t reserved;
    std::uint32_t address;
    std::uint32_t first_gsi;
};
static_assert(sizeof(IoApicEntry) == 12);

struct [[gnu::packed]] OverrideEntry {
    EntryHeader header;
    std::uint8_t bus; ///< 0: ISA
    std::uint8_t irq;
    std::uint32_t gsi;
    std::uint16_t mode;
};
static_assert(sizeof(OverrideEntry) == 10);

struct [[gnu::packed]] NmiEntry {
    EntryHeader header;
    std::uint16_t mode;
    std::uint32_t gsi;
};
static_assert(sizeof(NmiEntry) == 8);

struct [[gnu::packed]] LocalNmiEntry {
    EntryHeader header;
    std::uint8_t acpi_id; ///< 0xff: all
    std::uint16_t mode;
    std::uint8_t lint;
};
static_assert(sizeof(LocalNmiEntry) == 6);

struct [[gnu::packed]] LocalApicAddressEntry {
    EntryHeader header;
    std::uint16_t reserved;
    std::uint64_t address;
};
static_assert(sizeof(LocalApicAddressEntry) == 12);

struct [[gnu::packed]] X2ApicEntry {
    EntryHeader header;
    std::uint16_t reserved;
    std::uint32_t apic_id;
    std::uint32_t flags;
    std::uint32_t acpi_id;
};
static_assert(sizeof(X2ApicEntry) == 16);

struct [[gnu::packed]] X2ApicNmiEntry {
    EntryHeader header;
    std::uint16_t mode;
    std::uint32_t acpi_id;
    std::uint8_t lint;
    std::uint8_t reserved[3];
};
static_assert(sizeof(X2ApicNmiEntry) == 12);

constexpr std::uint32_t kEnabled = 1; ///< in the flags of both kinds of CPU entry

InterruptMode mode_of(std::uint16_t flags) {
    return {.polarity = static_cast<InterruptMode::Polarity>(flags & 3),
            .trigger = static_cast<InterruptMode::Trigger>(flags >> 2 & 3)};
}

/// A CPU may be listed twice, as a local APIC and as an x2APIC: it counts once. False if the list is full.
bool add_cpu(Madt& into, MadtCpu cpu, std::uint32_t flags) {
    if ((flags & kEnabled) == 0) {
        ++into.disabled_cpus;
        return true;
    }
    bool const listed =
        std::any_of(into.cpus.begin(), into.cpus.end(), [&](MadtCpu const& one) { return one.apic_id == cpu.apic_id; });
    return listed || into.cpus.push_back(cpu);
}

/// Reads one entry; false if it makes no sense or its list is full. Kinds that we do not know are no concern of ours.
bool read_entry(EntryType type, Bytes entry, Madt& into) {
    switch (type) {
    case EntryType::local_apic: {
        auto const cpu = base::load<LocalApicEntry>(entry);
        // 0xff is the broadcast address: firmware writes it for sockets that are empty.
        if (!cpu || (cpu->apic_id == 0xff && (cpu->flags & kEnabled) != 0))
            return false;
        return add_cpu(into, {.apic_id = cpu->apic_id, .acpi_id = cpu->acpi_id}, cpu->flags);
    }
    case EntryType::x2apic: {
        auto const cpu = base::load<X2ApicEntry>(entry);
        if (!cpu || (cpu->apic_id == ~std::uint32_t{0} && (cpu->flags & kEnabled) != 0))
            return false;
        return add_cpu(into, {.apic_id = cpu->apic_id, .acpi_id = cpu->acpi_id}, cpu->flags);
    }
    case EntryType::io_apic: {
        auto const chip = base::load<IoApicEntry>(entry);
        return chip && chip->address != 0 &&
               into.io_apics.push_back({.id = chip->id, .address = Maddr{chip->address}, .first_gsi = chip->first_gsi});
    }
    case EntryType::override: {
        auto const one = base::load<OverrideEntry>(entry);
        return one && one->bus == 0 && one->irq < 16 &&
               into.overrides.push_back({.irq = one->irq, .gsi = one->gsi, .mode = mode_of(one->mode)});
    }
    case EntryType::nmi: {
        auto const one = base::load<NmiEntry>(entry);
        return one && into.nmis.push_back({.gsi = one->gsi, .mode = mode_of(one->mode)});
    }
    case EntryType::local_nmi: {
        auto const one = base::load<LocalNmiEntry>(entry);
        if (!one || one->lint > 1)
            return false;
        auto const cpu = one->acpi_id == 0xff ? MadtLocalNmi::kAllCpus : one->acpi_id;
        return into.local_nmis.push_back({.acpi_id = cpu, .lint = one->lint, .mode = mode_of(one->mode)});
    }
    case EntryType::x2apic_nmi: {
        auto const one = base::load<X2ApicNmiEntry>(entry);
        return one && one->lint <= 1 &&
               into.local_nmis.push_back({.acpi_id = one->acpi_id, .lint = one->lint, .mode = mode_of(one->mode)});
    }
    case EntryType::local_apic_address: {
        auto const one = base::load<LocalApicAddressEntry>(entry);
        if (!one || one->address == 0)
            return false;
        into.local_apic = Maddr{one->address};
        return true;
    }
    }
    return true;
}

} // namespace

base::Status parse_madt(Bytes table, Madt& into) {
    std::construct_at(&into); // in place: too large for a temporary
    auto const header = base::load<MadtHeader>(table);
    if (!header)
        return base::Err{Error::invalid};
    into.local_apic = Maddr{header->local_apic};
    into.legacy_pics = (header->flags & kLegacyPics) != 0;

    for (std::size_t at = sizeof(MadtHeader); at < table.size();) {
        auto const entry = base::load<EntryHeader>(table, at);
        if (!entry || entry->length < sizeof(EntryHeader))
            return base::Err{Error::invalid};
        auto const bytes = base::slice(table, at, entry->length);
        if (!bytes)
            return base::Err{Error::invalid};
        if (!read_entry(entry->type, *bytes, into))
            ++into.dropped;
        at += entry->length;
    }
    return {};
}

MadtOverride isa_line(Madt const& madt, std::uint8_t irq) {
    for (auto const& one : madt.overrides)
        if (one.irq == irq)
            return one;
    return {.irq = irq, .gsi = irq, .mode = {}};
}

} // namespace boot
