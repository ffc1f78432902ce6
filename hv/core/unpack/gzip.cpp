/// gzip (RFC 1952), by zlib.
#include <zlib.h>

#include "decoders.hpp"

namespace unpack {

using base::Error;
using build::refuse;

namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS; ///< inflateInit2: a gzip header, nothing else

void* allocate(void* arena, unsigned count, unsigned size) { return static_cast<Arena*>(arena)->take(count, size); }
void free_nothing(void*, void*) {}

} // namespace

/// Its last four bytes, modulo 2^32.
build::Expected<std::uint64_t> size_of_gzip(base::Bytes packed) {
    auto const size = packed.size() < 4 ? std::nullopt : base::load<std::uint32_t>(packed, packed.size() - 4);
    if (!size)
        return refuse("gzip data that ends at once: copy the file again");
    return *size;
}

/// The state of inflate() and its window, which it makes only when it has to stop in the middle.
build::Expected<std::uint64_t> work_for_gzip(base::Bytes) { return 64 << 10; }

build::Expected<Decoded> unpack_gzip(base::Bytes packed, std::span<std::byte> output, Arena& work) {
    z_stream stream{};
    stream.zalloc = allocate;
    stream.zfree = free_nothing;
    stream.opaque = &work;
    if (inflateInit2(&stream, kGzipOnly) != Z_OK)
        return refuse(Error::no_memory, "too little memory for gzip");
    stream.next_in = const_cast<Bytef*>(c_bytes(packed)); // read only: zlib does not say so without ZLIB_CONST
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = c_bytes(output);
    stream.avail_out = static_cast<uInt>(output.size());
    switch (inflate(&stream, Z_FINISH)) {
    case Z_STREAM_END: return Decoded{.read = stream.total_in, .written = stream.total_out};
    case Z_MEM_ERROR: return refuse(Error::no_memory, "too little memory for gzip");
    case Z_BUF_ERROR:
    case Z_OK:
        if (stream.avail_in != 0)
            return refuse("gzip data that unpacks to more than it says: copy the file again");
        [[fallthrough]];
    default: return refuse("corrupt or cut off gzip data: copy the file again");
    }
}

} // namespace unpack
