/// Compressed files and bzImages, made by the encoders of the libraries whose decoders are under test.
#pragma once

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstdint>
#include <random>

#include "unit/boot/byte_builder.hpp"

namespace test {

/// Something like a kernel: begins as an ELF file, calls functions (what the x86 filter is for), repeats itself.
inline ByteBuilder kernel_like(std::size_t size) {
    ByteBuilder kernel;
    kernel.u8(0x7f).text("ELF");
    std::mt19937 random{1};
    while (kernel.size() < size) {
        auto const function = static_cast<std::uint32_t>(random() % 8);
        auto const here = static_cast<std::uint32_t>(kernel.size());
        kernel.text("\x55\x48\x89\xe5").u8(random() % 8).u8(0xe8).u32(0x1000 * function - here);
    }
    return kernel;
}

struct XzOptions {
    std::uint32_t dictionary = 1U << 16;
    lzma_vli filter = LZMA_FILTER_X86;
    lzma_check check = LZMA_CHECK_CRC32;
};

inline ByteBuilder xz(base::Bytes bytes, XzOptions const& options = {}) {
    lzma_options_lzma lzma{};
    lzma_lzma_preset(&lzma, 6);
    lzma.dict_size = options.dictionary;
    std::array<lzma_filter, 3> filters{
        {{options.filter, nullptr}, {LZMA_FILTER_LZMA2, &lzma}, {LZMA_VLI_UNKNOWN, nullptr}}};
    auto const* const chain = filters.data() + (options.filter == LZMA_VLI_UNKNOWN ? 1 : 0);
    std::vector<std::uint8_t> out(lzma_stream_buffer_bound(bytes.size()));
    std::size_t size = 0;
    auto const result = lzma_stream_buffer_encode(const_cast<lzma_filter*>(chain), options.check, nullptr,
                                                  reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size(),
                                                  out.data(), &size, out.size());
    out.resize(result == LZMA_OK ? size : 0);
    return ByteBuilder{}.append(std::as_bytes(std::span{out}));
}

enum class SaysSize : bool { no, yes };

inline ByteBuilder zstd(base::Bytes bytes, SaysSize says = SaysSize::yes) {
    auto* const context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, says == SaysSize::yes ? 1 : 0);
    std::vector<std::uint8_t> out(ZSTD_compressBound(bytes.size()));
    auto const size = ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size());
    ZSTD_freeCCtx(context);
    out.resize(ZSTD_isError(size) != 0 ? 0 : size);
    return ByteBuilder{}.append(std::as_bytes(std::span{out}));
}

inline ByteBuilder gzip(base::Bytes bytes) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::vector<std::uint8_t> out(deflateBound(&stream, bytes.size()));
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<Bytef const*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return ByteBuilder{}.append(std::as_bytes(std::span{out}));
}

/// What Linux's build does after XZ and zstd, but not after gzip.
inline ByteBuilder with_size(ByteBuilder packed, std::size_t size) {
    return packed.u32(static_cast<std::uint32_t>(size));
}

/// A bzImage with @p payload some way into its protected-mode code.
inline ByteBuilder bzimage(base::Bytes payload, unsigned setup_sectors = 2) {
    constexpr std::uint32_t offset = 0x40;
    ByteBuilder image;
    image.pad_to(((setup_sectors == 0 ? 4U : setup_sectors) + 1U) * 512U + offset)
        .append(payload)
        .pad_to(image.size() + 64);
    image.patch(0x1f1, static_cast<std::uint8_t>(setup_sectors)).patch(0x202, std::uint32_t{0x53726448});
    image.patch(0x206, std::uint16_t{0x020f}).patch(0x248, offset);
    return image.patch(0x24c, static_cast<std::uint32_t>(payload.size()));
}

} // namespace test
