/// Zstandard (RFC 8878), by libzstd.
#define ZSTD_STATIC_LINKING_ONLY // a decoder's state in memory of ours: ZSTD_initStaticDCtx()
#include <zstd.h>
#include <zstd_errors.h>

#include "decoders.hpp"

namespace unpack {

using base::Error;
using build::refuse;

build::Expected<std::uint64_t> size_of_zstd(base::Bytes packed) {
    auto const size = ZSTD_getFrameContentSize(packed.data(), packed.size());
    if (size == ZSTD_CONTENTSIZE_UNKNOWN)
        return refuse(Error::not_supported, "zstd data that does not say its size: compress the file, not a pipe");
    if (size == ZSTD_CONTENTSIZE_ERROR)
        return refuse("zstd data with a corrupt header: copy the file again");
    return size;
}

build::Expected<std::uint64_t> work_for_zstd(base::Bytes) {
    return ZSTD_estimateDCtxSize() + alignof(std::max_align_t);
}

build::Expected<Decoded> unpack_zstd(base::Bytes packed, std::span<std::byte> output, Arena& work) {
    auto const state_size = ZSTD_estimateDCtxSize();
    auto* const state = work.take(state_size);
    auto* const decoder = state != nullptr ? ZSTD_initStaticDCtx(state, state_size) : nullptr;
    if (decoder == nullptr)
        return refuse(Error::no_memory, "too little memory for zstd");
    auto const written = ZSTD_decompressDCtx(decoder, output.data(), output.size(), packed.data(), packed.size());
    if (ZSTD_isError(written) == 0)
        return Decoded{.read = packed.size(), .written = written};
    if (ZSTD_getErrorCode(written) == ZSTD_error_dstSize_tooSmall)
        return refuse("zstd data that unpacks to more than it says: copy the file again");
    return refuse("corrupt or cut off zstd data: copy the file again");
}

} // namespace unpack
