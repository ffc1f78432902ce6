/// The .xz file format 1.1.0, by liblzma.
///
///     stream header | block header, compressed data, check | ... | index | stream footer
#include <lzma.h>

#include <algorithm>
#include <array>

#include "decoders.hpp"

namespace unpack {

using base::Error;
using build::refuse;

namespace {

void* allocate(void* arena, std::size_t count, std::size_t size) {
    return static_cast<Arena*>(arena)->take(count, size);
}
void free_nothing(void*, void*) {}

lzma_allocator allocator_from(Arena& arena) { return {.alloc = allocate, .free = free_nothing, .opaque = &arena}; }

constexpr std::string_view kCorrupt = "corrupt or cut off XZ data: copy the file again";

/// Numbers of variable length (§1.2), one after the other.
class Numbers {
  public:
    explicit Numbers(base::Bytes bytes) : bytes_{bytes} {}

    std::optional<std::uint64_t> next() {
        lzma_vli value = 0;
        bool const read = lzma_vli_decode(&value, nullptr, c_bytes(bytes_), &at_, bytes_.size()) == LZMA_OK;
        return read ? std::optional{value} : std::nullopt;
    }

  private:
    base::Bytes bytes_;
    std::size_t at_ = 0;
};

/// The index (§4) behind its first byte: how many blocks; for each its size, packed and not.
std::optional<std::uint64_t> sum_of_sizes(Numbers index) {
    auto const blocks = index.next();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; blocks && i < *blocks; ++i) {
        auto const packed = index.next();
        auto const unpacked = index.next();
        if (!packed || !unpacked || __builtin_add_overflow(sum, *unpacked, &sum))
            return std::nullopt;
    }
    return blocks ? std::optional{sum} : std::nullopt;
}

} // namespace

build::Expected<std::uint64_t> size_of_xz(base::Bytes packed) {
    if (packed.size() < 2 * LZMA_STREAM_HEADER_SIZE)
        return refuse(kCorrupt);
    auto const before_footer = packed.first(packed.size() - LZMA_STREAM_HEADER_SIZE);
    lzma_stream_flags footer{};
    if (lzma_stream_footer_decode(&footer, c_bytes(packed.last(LZMA_STREAM_HEADER_SIZE))) != LZMA_OK ||
        footer.backward_size > before_footer.size())
        return refuse(kCorrupt);
    auto const size = sum_of_sizes(Numbers{before_footer.last(footer.backward_size).subspan(1)});
    if (!size)
        return refuse(kCorrupt);
    return *size;
}

/// What the filters of the first block need, above all LZMA2 its dictionary. The other blocks' are the same.
build::Expected<std::uint64_t> work_for_xz(base::Bytes packed) {
    constexpr std::uint64_t others = 64 << 10; ///< the states of stream, block and index

    lzma_stream_flags header{};
    if (packed.size() <= LZMA_STREAM_HEADER_SIZE || lzma_stream_header_decode(&header, c_bytes(packed)) != LZMA_OK)
        return refuse(kCorrupt);
    auto const block_bytes = packed.subspan(LZMA_STREAM_HEADER_SIZE);
    std::array<lzma_filter, LZMA_FILTERS_MAX + 1> filters{};
    lzma_block block{};
    block.check = header.check;
    block.filters = filters.data();
    block.header_size = lzma_block_header_size_decode(std::to_integer<std::uint32_t>(block_bytes[0]));
    alignas(std::max_align_t) std::array<std::byte, 1024> memory;
    Arena arena{memory};
    auto const allocator = allocator_from(arena);
    if (block_bytes[0] == std::byte{0} || block.header_size > block_bytes.size())
        return refuse(kCorrupt);
    switch (lzma_block_header_decode(&block, &allocator, c_bytes(block_bytes))) {
    case LZMA_OK: break;
    case LZMA_OPTIONS_ERROR: return refuse(Error::not_supported, "XZ data with a filter that is not known");
    default: return refuse(kCorrupt);
    }
    auto const filters_need = lzma_raw_decoder_memusage(filters.data());
    if (filters_need == UINT64_MAX)
        return refuse(Error::not_supported, "XZ data with a filter that is not known");
    return filters_need + others;
}

build::Expected<Decoded> unpack_xz(base::Bytes packed, std::span<std::byte> output, Arena& work) {
    auto const allocator = allocator_from(work);
    std::uint64_t limit = UINT64_MAX; // the arena ends soon enough
    Decoded done;
    switch (lzma_stream_buffer_decode(&limit, 0, &allocator, c_bytes(packed), &done.read, packed.size(),
                                      c_bytes(output), &done.written, output.size())) {
    case LZMA_OK: return done;
    case LZMA_MEM_ERROR: return refuse(Error::no_memory, "XZ data that needs more memory than its first block says");
    case LZMA_BUF_ERROR: return refuse("XZ data that unpacks to more than it says: copy the file again");
    case LZMA_OPTIONS_ERROR: return refuse(Error::not_supported, "XZ data with a filter that is not known");
    default: return refuse(kCorrupt);
    }
}

} // namespace unpack
