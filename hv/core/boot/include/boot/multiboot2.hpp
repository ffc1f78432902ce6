/// What GRUB hands over: the Multiboot2 information structure (Multiboot2 specification 2.0, §3.6), checked and made
/// into plain values.
///
///   u32 total_size, u32 reserved, then tags, each 8-byte aligned: u32 type, u32 size, contents; type 0 ends them
///
/// Nothing is copied: strings and the RSDP point into the structure, which must stay where it is while they are used.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "boot/e820.hpp"

namespace boot {

inline constexpr std::uint32_t kMultiboot2Magic = 0x36d76289; ///< in EAX at the entry point

/// A file that the boot loader put into memory: a kernel, an initial RAM disk.
struct Module {
    base::Maddr start; ///< page aligned if the image asked for it in its header
    base::Maddr end;   ///< first byte after it
    std::string_view command_line;
};

/// Where one colour lies within a pixel.
struct ColourField {
    std::uint8_t position = 0;
    std::uint8_t bits = 0;
};

/// The screen as the boot loader left it.
struct Framebuffer {
    enum class Kind : std::uint8_t { indexed = 0, rgb = 1, text = 2 };

    Kind kind = Kind::text;
    base::Maddr address;
    std::uint32_t pitch = 0;  ///< bytes a line
    std::uint32_t width = 0;  ///< pixels, or columns of text
    std::uint32_t height = 0; ///< pixels, or rows of text
    std::uint8_t bits_per_pixel = 0;
    ColourField red, green, blue; ///< Kind::rgb only
};

/// A large value (5 KiB): keep it in static storage.
struct BootInfo {
    std::string_view command_line;
    std::string_view loader;
    base::FixedVector<Module, 8> modules;
    base::FixedVector<MemoryRange, E820Map::kMaxFirmwareRanges> memory; ///< as told: unsorted, perhaps overlapping
    std::optional<Framebuffer> framebuffer;
    base::Bytes rsdp; ///< a copy of the ACPI root pointer, the newest revision given; empty if none
    std::optional<base::Maddr> image_base; ///< where the hypervisor's image was loaded
};

/// How long the structure says it is, from its first 8 bytes: what to map before parsing it. Nothing if @p head is
/// too short or the length cannot be.
std::optional<std::uint32_t> multiboot2_size(base::Bytes head);

/// Fills @p into from the structure @p info. Errors: invalid (a tag reaches past the end, or the end tag is missing),
/// no_space (more modules or memory ranges than BootInfo holds). Unknown tags are skipped.
base::Status parse_multiboot2(base::Bytes info, BootInfo& into);

} // namespace boot
