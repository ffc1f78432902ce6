#include "unpack/unpack.hpp"

#include "base/assert.hpp"
#include "decoders.hpp"
#include "unpack/bzimage.hpp"

namespace unpack {

using base::Bytes;
using base::Error;
using build::Expected;
using build::refuse;

namespace {

struct Decoder {
    Format format;
    Expected<std::uint64_t> (*size_of)(Bytes packed);
    Expected<std::uint64_t> (*work_for)(Bytes packed);
    Expected<Decoded> (*unpack)(Bytes packed, std::span<std::byte> output, Arena& work);
};

constexpr Decoder kDecoders[] = {
    {Format::gzip, size_of_gzip, work_for_gzip, unpack_gzip},
    {Format::xz, size_of_xz, work_for_xz, unpack_xz},
    {Format::zstd, size_of_zstd, work_for_zstd, unpack_zstd},
};

Decoder const* decoder_of(Format format) {
    for (auto const& decoder : kDecoders)
        if (decoder.format == format)
            return &decoder;
    return nullptr;
}

build::Refusal why_not(Format format) {
    switch (format) {
    case Format::bzip2: return {Error::not_supported, "compressed with bzip2: only XZ, zstd and gzip are unpacked"};
    case Format::lzma: return {Error::not_supported, "compressed with LZMA: only XZ, zstd and gzip are unpacked"};
    case Format::lzo: return {Error::not_supported, "compressed with LZO: only XZ, zstd and gzip are unpacked"};
    case Format::lz4: return {Error::not_supported, "compressed with LZ4: only XZ, zstd and gzip are unpacked"};
    default: return {Error::invalid, "neither an ELF file nor a bzImage, nor one of them compressed"};
    }
}

/// @p file by itself, and what it says of its size.
Expected<Packed> examine_file(Bytes file) {
    Packed packed{.format = format_of(file), .bytes = file};
    if (auto const* const decoder = decoder_of(packed.format))
        packed.size = TRY(decoder->size_of(file));
    return packed;
}

/// The payload of a bzImage: its size stands behind it, but for gzip, which ends in it.
Expected<Packed> examine_bzimage(Bytes file) {
    Payload const payload = TRY(payload_of(file));
    Format const format = format_of(payload.bytes);
    bool const size_is_appended = format != Format::gzip && format != Format::elf;
    return Packed{.format = format,
                  .bytes = payload.bytes.first(payload.bytes.size() - (size_is_appended ? 4 : 0)),
                  .size = payload.unpacked_size};
}

} // namespace

Expected<Packed> examine(Bytes file) {
    Packed packed = TRY(is_bzimage(file) ? examine_bzimage(file) : examine_file(file));
    if (packed.format == Format::elf) {
        packed.size = packed.bytes.size();
        return packed;
    }
    auto const* const decoder = decoder_of(packed.format);
    if (decoder == nullptr)
        return base::Err{why_not(packed.format)};
    if (packed.size == 0)
        return refuse("it claims to unpack to nothing: copy the file again");
    if (packed.size > kMostUnpacked || packed.bytes.size() > kMostUnpacked)
        return refuse(Error::too_big,
                      "it claims to unpack to more than 1 GiB, which no kernel does: copy the file again");
    packed.work = TRY(decoder->work_for(packed.bytes));
    return packed;
}

Expected<void> unpack(Packed const& packed, std::span<std::byte> output, std::span<std::byte> work) {
    auto const* const decoder = decoder_of(packed.format);
    ASSERT(decoder != nullptr && output.size() == packed.size && work.size() >= packed.work);
    Arena arena{work};
    Decoded const done = TRY(decoder->unpack(packed.bytes, output, arena));
    if (done.written != packed.size)
        return refuse("it unpacks to less than it says: copy the file again");
    if (done.read != packed.bytes.size())
        return refuse("more bytes follow behind its end: give one compressed file");
    return {};
}

} // namespace unpack
