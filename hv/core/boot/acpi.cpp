#include "boot/acpi.hpp"

#include <memory>

namespace boot {

using base::Bytes;
using base::Error;
using base::Maddr;
using base::Status;

namespace {

constexpr std::uint32_t kLargestTable = 1U << 20; ///< far more than any table that we read

void complain(Acpi& into, Signature table, std::string_view reason) {
    (void)into.complaints.push_back({table, reason}); // the first ones are enough
}

std::string_view reason_of(Error error) {
    switch (error) {
    case Error::bad_address: return "lies where there is no memory";
    case Error::io: return "has a wrong checksum";
    case Error::no_space: return "has too many entries";
    default: return "makes no sense";
    }
}

base::Result<Rsdp> find_rsdp(PhysicalMemory const& memory, Bytes given, Acpi& into) {
    if (!given.empty()) {
        if (auto const rsdp = parse_rsdp(given))
            return rsdp.value();
        complain(into, signature("RSDP"), "as the boot loader gave it makes no sense");
    }
    return scan_for_rsdp(memory);
}

/// The list of all tables: an XSDT with 64-bit entries, or an RSDT with 32-bit ones.
class RootTable {
  public:
    RootTable(Bytes table, std::size_t entry_size) : entries_{table.subspan(sizeof(TableHeader))}, width_{entry_size} {}

    [[nodiscard]] std::size_t count() const { return entries_.size() / width_; }
    [[nodiscard]] Maddr operator[](std::size_t index) const {
        if (width_ == sizeof(std::uint64_t))
            return Maddr{base::load<std::uint64_t>(entries_, index * width_).value_or(0)};
        return Maddr{base::load<std::uint32_t>(entries_, index * width_).value_or(0)};
    }

  private:
    Bytes entries_;
    std::size_t width_;
};

base::Result<RootTable> read_root(PhysicalMemory const& memory, Maddr at, Signature wanted, std::size_t entry_size) {
    Bytes const table = TRY(read_table(memory, at));
    if (base::load<TableHeader>(table)->signature != wanted)
        return base::Err{Error::invalid};
    return RootTable{table, entry_size};
}

/// The XSDT if there is a good one, else the RSDT.
base::Result<RootTable> open_root(PhysicalMemory const& memory, Rsdp const& rsdp, Acpi& into) {
    if (rsdp.has_xsdt()) {
        auto const xsdt = read_root(memory, rsdp.xsdt, signature("XSDT"), sizeof(std::uint64_t));
        if (xsdt)
            return xsdt.value();
        complain(into, signature("XSDT"), reason_of(xsdt.error()));
    }
    auto const rsdt = read_root(memory, rsdp.rsdt, signature("RSDT"), sizeof(std::uint32_t));
    if (!rsdt)
        return base::Err{Error::invalid};
    return rsdt.value();
}

/// Keeps a good table's contents; of a broken one, the reason.
template <typename T> void keep(std::optional<T>& place, base::Result<T> parsed, Signature name, Acpi& into) {
    if (parsed)
        place = parsed.value();
    else
        complain(into, name, reason_of(parsed.error()));
}

bool interesting(Signature name) {
    return name == signature("APIC") || name == signature("FACP") || name == signature("HPET") ||
           name == signature("MCFG");
}

} // namespace

bool checksum_ok(Bytes bytes) {
    std::uint8_t sum = 0;
    for (auto const byte : bytes)
        sum = static_cast<std::uint8_t>(sum + std::to_integer<unsigned>(byte));
    return sum == 0;
}

base::Result<Bytes> read_table(PhysicalMemory const& memory, Maddr at) {
    auto const header = base::load<TableHeader>(memory.read(at, sizeof(TableHeader)));
    if (!header)
        return base::Err{Error::bad_address};
    if (header->length < sizeof(TableHeader) || header->length > kLargestTable)
        return base::Err{Error::invalid};
    auto const table = memory.read(at, header->length);
    if (table.empty())
        return base::Err{Error::bad_address};
    if (!checksum_ok(table))
        return base::Err{Error::io};
    return table;
}

Status read_acpi(PhysicalMemory const& memory, Bytes rsdp, Acpi& into) {
    std::construct_at(&into); // in place: too large for a temporary
    into.rsdp = TRY(find_rsdp(memory, rsdp, into));
    RootTable const root = TRY(open_root(memory, into.rsdp, into));

    bool madt_seen = false;
    for (std::size_t i = 0; i < root.count(); ++i) {
        auto const header = base::load<TableHeader>(memory.read(root[i], sizeof(TableHeader)));
        if (!header || !interesting(header->signature))
            continue;
        auto const name = header->signature;
        auto const table = read_table(memory, root[i]);
        if (!table) {
            complain(into, name, reason_of(table.error()));
            continue;
        }
        // Firmware may list a table twice (a patched copy): the first good one counts.
        if (name == signature("APIC") && !madt_seen) {
            TRY(parse_madt(table.value(), into.madt));
            madt_seen = true;
        } else if (name == signature("FACP") && !into.fadt) {
            keep(into.fadt, parse_fadt(table.value()), name, into);
        } else if (name == signature("HPET") && !into.hpet) {
            keep(into.hpet, parse_hpet(table.value()), name, into);
        } else if (name == signature("MCFG") && !into.mcfg) {
            keep(into.mcfg, parse_mcfg(table.value()), name, into);
        }
    }
    if (!madt_seen)
        return base::Err{Error::not_found};
    return {};
}

} // namespace boot
