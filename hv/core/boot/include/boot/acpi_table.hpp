/// What all ACPI tables have in common (ACPI specification 6.4, §5.2.6), and the register address of §5.2.3.2.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "boot/physical_memory.hpp"

namespace boot {

using Signature = std::array<char, 4>;

constexpr Signature signature(char const (&text)[5]) { return {text[0], text[1], text[2], text[3]}; }

/// The first 36 bytes of every table but the RSDP and the FACS.
struct [[gnu::packed]] TableHeader {
    Signature signature;
    std::uint32_t length; ///< of the whole table, this header included
    std::uint8_t revision;
    std::uint8_t checksum; ///< makes the sum of all bytes of the table 0
    char oem_id[6];
    char oem_table_id[8];
    std::uint32_t oem_revision;
    std::uint32_t creator_id;
    std::uint32_t creator_revision;
};
static_assert(sizeof(TableHeader) == 36);

/// Generic Address Structure: a register, wherever it is.
struct [[gnu::packed]] GenericAddress {
    enum class Space : std::uint8_t { memory = 0, io = 1, pci_configuration = 2 };

    Space space = Space::memory;
    std::uint8_t bit_width = 0;
    std::uint8_t bit_offset = 0;
    std::uint8_t access_size = 0; ///< 0 undefined, 1 byte, 2 word, 3 dword, 4 qword
    std::uint64_t address = 0;    ///< 0: there is no such register

    [[nodiscard]] constexpr bool present() const { return address != 0; }
};
static_assert(sizeof(GenericAddress) == 12);

/// True if the bytes add up to 0, modulo 256.
bool checksum_ok(base::Bytes bytes);

/// The whole table at @p at, header included. Errors: bad_address (not readable), invalid (impossible length, more
/// than 1 MiB included), io (wrong checksum).
base::Result<base::Bytes> read_table(PhysicalMemory const& memory, base::Maddr at);

} // namespace boot
