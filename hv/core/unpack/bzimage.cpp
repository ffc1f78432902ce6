#include "unpack/bzimage.hpp"

namespace unpack {

namespace {

/// Linux, Documentation/x86/boot.rst, "The Real-Mode Kernel Header".
constexpr std::size_t kSetupSectors = 0x1f1;
constexpr std::size_t kMagic = 0x202;
constexpr std::size_t kVersion = 0x206;
constexpr std::size_t kPayloadOffset = 0x248;
constexpr std::size_t kPayloadLength = 0x24c;

constexpr std::uint32_t kHdrS = 0x53726448;
constexpr std::uint16_t kVersionWithPayload = 0x0208;
constexpr std::size_t kSector = 512;
constexpr std::uint8_t kDefaultSectors = 4; ///< what 0 means

} // namespace

bool is_bzimage(base::Bytes file) { return base::load<std::uint32_t>(file, kMagic) == kHdrS; }

build::Expected<Payload> payload_of(base::Bytes file) {
    auto const version = base::load<std::uint16_t>(file, kVersion);
    if (version && *version < kVersionWithPayload)
        return build::refuse(base::Error::not_supported, "a bzImage from before Linux 2.6.26, which no Xen guest is");
    auto const sectors = base::load<std::uint8_t>(file, kSetupSectors);
    auto const offset = base::load<std::uint32_t>(file, kPayloadOffset);
    auto const length = base::load<std::uint32_t>(file, kPayloadLength);
    if (!sectors || !offset || !length)
        return build::refuse("a bzImage that ends within its header: copy the file again");

    // Not one of these numbers is longer than 32 bits: the sum cannot overflow.
    auto const code = (std::size_t{*sectors == 0 ? kDefaultSectors : *sectors} + 1) * kSector;
    auto const bytes = base::slice(file, code + *offset, *length);
    if (!bytes)
        return build::refuse("a bzImage that is cut off before the end of its payload: copy the file again");
    auto const size = bytes->size() < 4 ? std::nullopt : base::load<std::uint32_t>(*bytes, bytes->size() - 4);
    if (!size)
        return build::refuse("a bzImage without a payload: it has not been built to the end");
    return Payload{*bytes, *size};
}

} // namespace unpack
