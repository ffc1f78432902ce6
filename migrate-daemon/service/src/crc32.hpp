/// CRC-32 as in Ethernet and zlib: against what a crash does to a line, not against people.
#pragma once

#include <cstdint>
#include <string_view>

namespace service {

constexpr std::uint32_t crc32(std::string_view text) {
    std::uint32_t crc = ~0U;
    for (char const one : text) {
        crc ^= static_cast<unsigned char>(one);
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return ~crc;
}
static_assert(crc32("123456789") == 0xcbf43926U);

} // namespace service
