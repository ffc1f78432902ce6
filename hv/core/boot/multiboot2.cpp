#include "boot/multiboot2.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include "boot/words.hpp"

namespace boot {

using base::Bytes;
using base::Error;
using base::Maddr;

namespace {

/// Multiboot2 specification §3.6.
enum class TagType : std::uint32_t {
    end = 0,
    command_line = 1,
    loader_name = 2,
    module = 3,
    memory_map = 6,
    framebuffer = 8,
    acpi_old = 14,
    acpi_new = 15,
    image_base = 21,
};

struct InfoHeader {
    std::uint32_t total_size;
    std::uint32_t reserved;
};

struct TagHeader {
    TagType type;
    std::uint32_t size; ///< header and contents, without the padding to the next tag
};

struct ModuleTag {
    std::uint32_t start;
    std::uint32_t end;
};

struct MemoryMapTag {
    std::uint32_t entry_size;
    std::uint32_t entry_version;
};

struct MemoryMapEntry {
    std::uint64_t base;
    std::uint64_t length;
    std::uint32_t type;
    std::uint32_t reserved;
};

struct [[gnu::packed]] FramebufferTag {
    std::uint64_t address;
    std::uint32_t pitch;
    std::uint32_t width;
    std::uint32_t height;
    std::uint8_t bits_per_pixel;
    Framebuffer::Kind kind;
    std::uint16_t reserved;
};

struct ColourInfo {
    ColourField red, green, blue;
};

base::Status read_module(Bytes contents, BootInfo& into) {
    auto const tag = base::load<ModuleTag>(contents);
    if (!tag || tag->start > tag->end)
        return base::Err{Error::invalid};
    if (!into.modules.push_back({Maddr{tag->start}, Maddr{tag->end}, text_of(contents.subspan(sizeof *tag))}))
        return base::Err{Error::no_space};
    return {};
}

base::Status read_memory_map(Bytes contents, BootInfo& into) {
    auto const tag = base::load<MemoryMapTag>(contents);
    if (!tag || tag->entry_size < sizeof(MemoryMapEntry))
        return base::Err{Error::invalid};
    for (std::size_t at = sizeof *tag; auto const entry = base::load<MemoryMapEntry>(contents, at);
         at += tag->entry_size) {
        if (entry->length == 0)
            continue;
        auto const room = std::numeric_limits<std::uint64_t>::max() - entry->base;
        Maddr const start{entry->base};
        if (!into.memory.push_back({start, start + std::min(entry->length, room), MemoryType{entry->type}}))
            return base::Err{Error::no_space};
    }
    return {};
}

base::Status read_framebuffer(Bytes contents, BootInfo& into) {
    auto const tag = base::load<FramebufferTag>(contents);
    if (!tag || tag->kind > Framebuffer::Kind::text)
        return {}; // a screen that we do not know is no reason not to start
    Framebuffer screen{.kind = tag->kind,
                       .address = Maddr{tag->address},
                       .pitch = tag->pitch,
                       .width = tag->width,
                       .height = tag->height,
                       .bits_per_pixel = tag->bits_per_pixel,
                       .red = {},
                       .green = {},
                       .blue = {}};
    if (screen.kind == Framebuffer::Kind::rgb) {
        auto const colours = base::load<ColourInfo>(contents, sizeof *tag);
        if (!colours)
            return {};
        screen.red = colours->red;
        screen.green = colours->green;
        screen.blue = colours->blue;
    }
    into.framebuffer = screen;
    return {};
}

base::Status read_tag(TagType type, Bytes contents, BootInfo& into) {
    switch (type) {
    case TagType::command_line: into.command_line = text_of(contents); return {};
    case TagType::loader_name: into.loader = text_of(contents); return {};
    case TagType::module: return read_module(contents, into);
    case TagType::memory_map: return read_memory_map(contents, into);
    case TagType::framebuffer: return read_framebuffer(contents, into);
    case TagType::acpi_old:
        if (into.rsdp.empty())
            into.rsdp = contents;
        return {};
    case TagType::acpi_new: into.rsdp = contents; return {};
    case TagType::image_base:
        if (auto const address = base::load<std::uint32_t>(contents))
            into.image_base = Maddr{*address};
        return {};
    case TagType::end: break;
    }
    return {};
}

} // namespace

std::optional<std::uint32_t> multiboot2_size(Bytes head) {
    auto const header = base::load<InfoHeader>(head);
    if (!header || header->total_size < sizeof(InfoHeader) + sizeof(TagHeader))
        return std::nullopt;
    return header->total_size;
}

base::Status parse_multiboot2(Bytes info, BootInfo& into) {
    std::construct_at(&into); // in place: too large for a temporary
    auto const size = multiboot2_size(info);
    if (!size || *size > info.size())
        return base::Err{Error::invalid};
    info = info.first(*size);

    for (std::size_t at = sizeof(InfoHeader);;) {
        auto const tag = base::load<TagHeader>(info, at);
        if (!tag || tag->size < sizeof *tag)
            return base::Err{Error::invalid};
        if (tag->type == TagType::end)
            return {};
        auto const contents = base::slice(info, at + sizeof *tag, tag->size - sizeof *tag);
        if (!contents)
            return base::Err{Error::invalid};
        TRY(read_tag(tag->type, *contents, into));
        at += (std::size_t{tag->size} + 7) & ~std::size_t{7};
    }
}

} // namespace boot
