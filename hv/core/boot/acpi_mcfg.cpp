#include "boot/acpi_mcfg.hpp"

#include "boot/acpi_table.hpp"

namespace boot {

namespace {

struct [[gnu::packed]] McfgHeader {
    TableHeader header;
    std::uint64_t reserved;
};
static_assert(sizeof(McfgHeader) == 44);

struct [[gnu::packed]] McfgEntry {
    std::uint64_t address;
    std::uint16_t segment;
    std::uint8_t first_bus;
    std::uint8_t last_bus;
    std::uint32_t reserved;
};
static_assert(sizeof(McfgEntry) == 16);

} // namespace

base::Result<Mcfg> parse_mcfg(base::Bytes table) {
    if (table.size() < sizeof(McfgHeader))
        return base::Err{base::Error::invalid};
    Mcfg mcfg;
    std::size_t at = sizeof(McfgHeader);
    for (; auto const entry = base::load<McfgEntry>(table, at); at += sizeof *entry) {
        bool const sensible = entry->address != 0 && entry->first_bus <= entry->last_bus;
        if (!sensible || !mcfg.windows.push_back({.address = base::Maddr{entry->address},
                                                  .segment = entry->segment,
                                                  .first_bus = entry->first_bus,
                                                  .last_bus = entry->last_bus}))
            ++mcfg.dropped;
    }
    if (at != table.size())
        ++mcfg.dropped; // a piece of an entry
    return mcfg;
}

} // namespace boot
