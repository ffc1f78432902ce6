#include "boot/acpi_rsdp.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "boot/acpi_table.hpp"

namespace boot {

using base::Bytes;
using base::Error;
using base::Maddr;

namespace {

/// The 20 bytes of ACPI 1.0; then what revision 2 adds.
struct [[gnu::packed]] RsdpV1 {
    std::array<char, 8> signature;
    std::uint8_t checksum; ///< over these 20 bytes
    char oem_id[6];
    std::uint8_t revision;
    std::uint32_t rsdt;
};
static_assert(sizeof(RsdpV1) == 20);

struct [[gnu::packed]] RsdpV2 {
    RsdpV1 first;
    std::uint32_t length;
    std::uint64_t xsdt;
    std::uint8_t extended_checksum; ///< over `length` bytes
    std::uint8_t reserved[3];
};
static_assert(sizeof(RsdpV2) == 36);

constexpr std::array kSignature{'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
constexpr std::size_t kAlignment = 16;

std::optional<Rsdp> scan(PhysicalMemory const& memory, Maddr start, std::size_t size) {
    auto const area = memory.read(start, size);
    for (std::size_t at = 0; at < area.size(); at += kAlignment)
        if (auto const found = parse_rsdp(area.subspan(at)))
            return found.value();
    return std::nullopt;
}

/// Where the BIOS data area says that its extension is: a real-mode segment in the word at 0x40e.
std::optional<Maddr> extended_bios_data(PhysicalMemory const& memory) {
    auto const segment = base::load<std::uint16_t>(memory.read(Maddr{0x40e}, sizeof(std::uint16_t)));
    if (!segment)
        return std::nullopt;
    Maddr const address{std::uint64_t{*segment} << 4};
    bool const sensible = address >= Maddr{0x400} && address < Maddr{0xa0000};
    return sensible ? std::optional{address} : std::nullopt;
}

} // namespace

base::Result<Rsdp> parse_rsdp(Bytes bytes) {
    auto const old = base::load<RsdpV1>(bytes);
    if (!old || old->signature != kSignature || !checksum_ok(bytes.first(sizeof(RsdpV1))))
        return base::Err{Error::invalid};

    Rsdp rsdp{.revision = old->revision, .rsdt = Maddr{old->rsdt}, .xsdt = Maddr{0}};
    if (old->revision < 2)
        return rsdp;
    auto const modern = base::load<RsdpV2>(bytes);
    if (!modern || modern->length < sizeof(RsdpV2))
        return base::Err{Error::invalid};
    auto const whole = base::slice(bytes, 0, modern->length);
    if (!whole || !checksum_ok(*whole))
        return base::Err{Error::invalid};
    rsdp.xsdt = Maddr{modern->xsdt};
    return rsdp;
}

base::Result<Rsdp> scan_for_rsdp(PhysicalMemory const& memory) {
    if (auto const ebda = extended_bios_data(memory))
        if (auto const found = scan(memory, *ebda, 1024))
            return *found;
    if (auto const found = scan(memory, Maddr{0xe0000}, 0x20000))
        return *found;
    return base::Err{Error::not_found};
}

} // namespace boot
