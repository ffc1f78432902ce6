/// Foreign bytes as the boot loader's first module: what is accepted must lie in the file, and must be unpacked within its
/// memory, to the same bytes each time.
#pragma once

#include <algorithm>
#include <vector>

#include "base/assert.hpp"
#include "unpack/unpack.hpp"

namespace fuzz {

/// True if a kernel came out. Memory that a small input asks for in vain is not given.
inline bool feed_unpack(base::Bytes input) {
    constexpr std::uint64_t most = 1 << 20;

    auto const examined = unpack::examine(input);
    if (!examined) {
        ASSERT(!examined.error().reason.empty());
        return false;
    }
    auto const& packed = examined.value();
    ASSERT(packed.bytes.data() >= input.data());
    ASSERT(packed.bytes.data() + packed.bytes.size() <= input.data() + input.size());
    if (packed.format == unpack::Format::elf || packed.size > most || packed.work > most)
        return false;
    std::vector<std::byte> output(packed.size);
    std::vector<std::byte> work(packed.work);
    auto const result = unpack::unpack(packed, output, work);
    if (!result) {
        ASSERT(!result.error().reason.empty());
        return false;
    }
    std::vector<std::byte> again(packed.size, std::byte{0xaa});
    std::fill(work.begin(), work.end(), std::byte{0x55});
    ASSERT(unpack::unpack(packed, again, work).ok());
    ASSERT(again == output);
    return true;
}

} // namespace fuzz
