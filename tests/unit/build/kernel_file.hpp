/// Kernel files, made by hand: ELF headers, segments and Xen notes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "abi/xen.hpp"
#include "unit/boot/byte_builder.hpp"

namespace test {

struct NotesBuilder {
    ByteBuilder bytes;

    NotesBuilder& note(std::uint32_t type, base::Bytes contents, std::string_view owner = "Xen") {
        bytes.u32(static_cast<std::uint32_t>(owner.size() + 1)).u32(static_cast<std::uint32_t>(contents.size()));
        bytes.u32(type).text(owner).u8(0).align(4).append(contents).align(4);
        return *this;
    }
    NotesBuilder& number(std::uint32_t type, std::uint64_t value) { return note(type, ByteBuilder{}.u64(value)); }
    NotesBuilder& text(std::uint32_t type, std::string_view value) {
        return note(type, ByteBuilder{}.text(value).u8(0));
    }
};

/// An ELF64 executable. Program headers first, then the contents of each segment.
class ElfBuilder {
  public:
    static constexpr std::size_t kHeaderSize = 64;
    static constexpr std::size_t kProgramHeaderSize = 56;

    ElfBuilder& load(std::uint64_t vaddr, std::uint64_t paddr, base::Bytes contents, std::uint64_t memory_size) {
        return add(1, vaddr, paddr, contents, memory_size);
    }
    ElfBuilder& notes(NotesBuilder const& notes) { return add(4, 0, 0, notes.bytes, notes.bytes.size()); }

    [[nodiscard]] ByteBuilder file() const {
        ByteBuilder file;
        file.u8(0x7f).text("ELF").u8(2).u8(1).u8(1).pad_to(16).u16(2).u16(62).u32(1);
        file.u64(0x1000000).u64(kHeaderSize).u64(0).u32(0).u16(64).u16(kProgramHeaderSize);
        file.u16(static_cast<unsigned>(parts_.size())).u16(0).u16(0).u16(0);
        auto offset = kHeaderSize + parts_.size() * kProgramHeaderSize;
        for (auto const& part : parts_) {
            file.u32(part.type).u32(7).u64(offset).u64(part.vaddr).u64(part.paddr);
            file.u64(part.contents.size()).u64(part.memory_size).u64(4096);
            offset += part.contents.size();
        }
        for (auto const& part : parts_)
            file.append(part.contents);
        return file;
    }

  private:
    struct Part {
        std::uint32_t type;
        std::uint64_t vaddr, paddr;
        std::vector<std::byte> contents;
        std::uint64_t memory_size;
    };
    ElfBuilder& add(std::uint32_t type, std::uint64_t vaddr, std::uint64_t paddr, base::Bytes contents,
                    std::uint64_t memory_size) {
        parts_.push_back({type, vaddr, paddr, {contents.begin(), contents.end()}, memory_size});
        return *this;
    }
    std::vector<Part> parts_;
};

inline std::vector<std::byte> filled(std::size_t size, unsigned value) {
    return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

inline constexpr std::uint64_t kLinuxBase = 0xffffffff80000000;
inline constexpr std::uint64_t kLinuxP2m = 0x8000000000;

/// The notes of Debian's Linux 6.1, for a kernel whose first instruction is at @p entry.
inline NotesBuilder linux_notes(std::uint64_t entry) {
    NotesBuilder notes;
    notes.text(XEN_ELFNOTE_GUEST_OS, "linux").text(XEN_ELFNOTE_GUEST_VERSION, "2.6");
    notes.text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0").number(XEN_ELFNOTE_VIRT_BASE, kLinuxBase);
    notes.number(XEN_ELFNOTE_INIT_P2M, kLinuxP2m).number(XEN_ELFNOTE_ENTRY, entry);
    notes.text(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
    notes.note(XEN_ELFNOTE_SUPPORTED_FEATURES, ByteBuilder{}.u32(0x8801)).text(XEN_ELFNOTE_PAE_MODE, "yes");
    notes.note(XEN_ELFNOTE_L1_MFN_VALID, ByteBuilder{}.u64(1).u64(1));
    notes.note(XEN_ELFNOTE_MOD_START_PFN, ByteBuilder{}.u32(1)).note(XEN_ELFNOTE_SUSPEND_CANCEL, ByteBuilder{}.u32(1));
    notes.text(XEN_ELFNOTE_LOADER, "generic").number(XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000);
    notes.number(XEN_ELFNOTE_PADDR_OFFSET, 0).note(XEN_ELFNOTE_PHYS32_ENTRY, ByteBuilder{}.u32(0x1000850));
    return notes;
}

/// A kernel shaped like Debian's, but small: text at 16 MiB, a per-CPU segment whose virtual address is 0, bss.
inline ByteBuilder linux_like() {
    return ElfBuilder{}
        .load(kLinuxBase + 0x1000000, 0x1000000, filled(0x1800, 0x11), 0x1800)
        .load(0, 0x1002000, filled(0x80, 0x22), 0x400)
        .load(kLinuxBase + 0x1003000, 0x1003000, filled(0x100, 0x33), 0x5000)
        .notes(linux_notes(kLinuxBase + 0x1003010))
        .file();
}

/// A small guest of ours: everything in the initial mapping, and a hypercall page.
inline ByteBuilder plain_guest(std::uint64_t base = 0) {
    NotesBuilder notes;
    notes.number(XEN_ELFNOTE_ENTRY, base + 0x100010).number(XEN_ELFNOTE_VIRT_BASE, base);
    notes.number(XEN_ELFNOTE_PADDR_OFFSET, 0).number(XEN_ELFNOTE_HYPERCALL_PAGE, base + 0x101000);
    return ElfBuilder{}.load(base + 0x100000, 0x100000, filled(0x3000, 0x44), 0x3000).notes(notes).file();
}

} // namespace test
