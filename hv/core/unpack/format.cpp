#include "unpack/format.hpp"

#include <algorithm>

namespace unpack {

namespace {

using namespace std::string_view_literals;

struct Kind {
    Format format;
    std::string_view name;
    std::string_view magic;
};

constexpr Kind kKinds[] = {
    {Format::elf, "ELF",
     "\x7f"
     "ELF"sv},
    {Format::gzip, "gzip", "\x1f\x8b\x08"sv},
    {Format::xz, "XZ",
     "\xfd"
     "7zXZ\0"sv},
    {Format::zstd, "zstd", "\x28\xb5\x2f\xfd"sv},
    {Format::bzip2, "bzip2", "BZh"sv},
    {Format::lzma, "LZMA", "\x5d\0\0"sv},
    {Format::lzo, "LZO", "\x89LZO"sv},
    {Format::lz4, "LZ4", "\x02\x21\x4c\x18"sv},
};

} // namespace

Format format_of(base::Bytes bytes) {
    auto const begins_with = [&](std::string_view magic) {
        return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
    };
    for (auto const& kind : kKinds)
        if (begins_with(kind.magic))
            return kind.format;
    return Format::unknown;
}

std::string_view name_of(Format format) {
    for (auto const& kind : kKinds)
        if (kind.format == format)
            return kind.name;
    return "unknown";
}

} // namespace unpack
