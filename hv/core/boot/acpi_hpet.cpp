#include "boot/acpi_hpet.hpp"

#include "boot/acpi_table.hpp"

namespace boot {

namespace {

struct [[gnu::packed]] HpetTable {
    TableHeader header;
    std::uint32_t block_id; ///< bits 31..16 vendor, 13 counter size, 12..8 comparators - 1, 7..0 revision
    GenericAddress address;
    std::uint8_t number;
    std::uint16_t minimum_tick;
    std::uint8_t attributes;
};
static_assert(sizeof(HpetTable) == 56);

constexpr std::uint32_t kWideCounter = 1U << 13;

} // namespace

base::Result<Hpet> parse_hpet(base::Bytes table) {
    auto const hpet = base::load<HpetTable>(table);
    if (!hpet || hpet->address.space != GenericAddress::Space::memory || !hpet->address.present())
        return base::Err{base::Error::invalid};
    return Hpet{.address = base::Maddr{hpet->address.address},
                .number = hpet->number,
                .minimum_tick = hpet->minimum_tick,
                .wide = (hpet->block_id & kWideCounter) != 0};
}

} // namespace boot
