/// What GRUB would hand over, made by hand (Multiboot2 specification 2.0, §3.6).
#pragma once

#include <cstdint>
#include <string_view>

#include "unit/boot/byte_builder.hpp"

namespace test {

class Multiboot2Builder {
  public:
    Multiboot2Builder() { bytes_.u32(0).u32(0); }

    Multiboot2Builder& tag(std::uint32_t type, base::Bytes contents) {
        bytes_.align(8).u32(type).u32(static_cast<std::uint32_t>(8 + contents.size())).append(contents);
        return *this;
    }
    Multiboot2Builder& command_line(std::string_view text) { return tag(1, ByteBuilder{}.text(text).u8(0)); }
    Multiboot2Builder& loader(std::string_view text) { return tag(2, ByteBuilder{}.text(text).u8(0)); }
    Multiboot2Builder& module(std::uint32_t start, std::uint32_t end, std::string_view text) {
        return tag(3, ByteBuilder{}.u32(start).u32(end).text(text).u8(0));
    }
    struct Range {
        std::uint64_t base, length;
        std::uint32_t type;
    };
    Multiboot2Builder& memory_map(std::initializer_list<Range> ranges, std::uint32_t entry_size = 24) {
        ByteBuilder contents;
        contents.u32(entry_size).u32(0);
        for (auto const& [base, length, type] : ranges) {
            auto const start = contents.size();
            contents.u64(base).u64(length).u32(type).pad_to(start + entry_size);
        }
        return tag(6, contents);
    }
    Multiboot2Builder& rgb_framebuffer(std::uint64_t address, std::uint32_t width, std::uint32_t height) {
        return tag(8, ByteBuilder{}
                          .u64(address)
                          .u32(width * 4)
                          .u32(width)
                          .u32(height)
                          .u8(32)
                          .u8(1)
                          .u16(0)
                          .u8(16)
                          .u8(8)
                          .u8(8)
                          .u8(8)
                          .u8(0)
                          .u8(8));
    }
    Multiboot2Builder& text_screen() {
        return tag(8, ByteBuilder{}.u64(0xb8000).u32(160).u32(80).u32(25).u8(16).u8(2).u16(0));
    }

    /// The whole structure, with its end tag and its size.
    [[nodiscard]] ByteBuilder finish() const { return seal(ByteBuilder{bytes_}.align(8).u32(0).u32(8)); }
    /// The same without the end tag.
    [[nodiscard]] ByteBuilder without_end() const { return seal(ByteBuilder{bytes_}.align(8)); }

  private:
    static ByteBuilder seal(ByteBuilder whole) { return whole.patch(0, static_cast<std::uint32_t>(whole.size())); }

    ByteBuilder bytes_;
};

} // namespace test
