/// Writes the binary seeds of tests/corpus, made by hand with the builders of the unit tests:
///
///     make_seeds <folder of the corpora>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>

#include "unit/boot/firmware.hpp"
#include "unit/boot/loader.hpp"
#include "unit/build/kernel_file.hpp"
#include "unit/migrate/streams.hpp"
#include "unit/proto/messages.hpp"
#include "unit/record/sample.hpp"
#include "unit/unpack/packing.hpp"

namespace {

using test::ByteBuilder;

void write(std::filesystem::path const& file, base::Bytes bytes) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file, std::ios::binary}.write(reinterpret_cast<char const*>(bytes.data()),
                                                static_cast<std::streamsize>(bytes.size()));
}

/// Mode 1 of the ACPI target: tables without their headers, which the target makes anew.
void add_table(ByteBuilder& input, unsigned kind, base::Bytes table) {
    auto const body = table.subspan(sizeof(boot::TableHeader));
    input.u8(kind).u16(static_cast<unsigned>(body.size())).append(body);
}

/// Mode 0: a root pointer, an XSDT and a MADT in the BIOS area, as they are.
ByteBuilder bios_area() {
    auto const at = [](std::uint64_t offset) { return test::Firmware::kBiosArea.raw() + offset; };
    ByteBuilder area;
    area.u8(0).append(test::rsdp(0, at(64))).pad_to(1 + 64);
    area.append(test::acpi_table("XSDT", ByteBuilder{}.u64(at(128)))).pad_to(1 + 128).append(test::q35_madt(1));
    return area;
}

ByteBuilder kernel_input(unsigned frames, unsigned initrd, base::Bytes file) {
    return ByteBuilder{}.u16(frames).u16(initrd).append(file);
}

/// Small kernels at low addresses: mutations of them stay within the few frames of a fuzzed domain.
ByteBuilder small_linux() {
    return test::ElfBuilder{}
        .load(test::kLinuxBase + 0x100000, 0x100000, test::filled(64, 0x11), 0x1800)
        .load(0, 0x102000, test::filled(16, 0x22), 0x400)
        .notes(test::linux_notes(test::kLinuxBase + 0x100010))
        .file();
}
ByteBuilder small_plain() {
    test::NotesBuilder notes;
    notes.number(XEN_ELFNOTE_ENTRY, 0x1010).number(XEN_ELFNOTE_HYPERCALL_PAGE, 0x2000).number(XEN_ELFNOTE_VIRT_BASE, 0);
    return test::ElfBuilder{}.load(0x1000, 0x1000, test::filled(64, 0x44), 0x3000).notes(notes).file();
}

/// A hostile kernel's program (tests/fuzz/hypercall/feed.hpp): how fast time passes and how much memory there is, then
/// acts and what they choose. Small choices are the nearly right ones.
ByteBuilder hostile_kernel(unsigned character) {
    constexpr unsigned kBytes = 384;
    std::mt19937 random{character};
    ByteBuilder program;
    program.u8(character);
    for (unsigned i = 0; i < kBytes; ++i)
        program.u8(random() % 8 == 0 ? random() & 0xff : random() % 16);
    return program;
}

/// Mode 1 of the stream target: records without what the target makes anew.
ByteBuilder stream_records() {
    auto const stream = test::small_stream();
    auto const starts = test::records_in(stream);
    ByteBuilder input;
    input.u8(0xf);
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
        auto const head = *base::load<migrate::format::Record>(stream, starts[i]);
        input.u32(head.type).u32(head.length).append(base::Bytes{stream}.subspan(starts[i] + sizeof head, head.length));
    }
    return input;
}

/// Mode 0 of the record target: as small as one can be, two vCPUs that have never run.
test::Bytes small_record() {
    test::Sample sample;
    sample.vcpus[0].flags = 0;
    sample.without_extended_state = true;
    sample.grants.frames = 0;
    return sample.written();
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: make_seeds <folder of the corpora>\n";
        return 2;
    }
    std::filesystem::path const corpus{argv[1]};

    ByteBuilder tables;
    tables.u8(1);
    add_table(tables, 1, test::q35_fadt());
    add_table(tables, 0, test::q35_madt(2));
    add_table(tables, 2, test::q35_hpet());
    add_table(tables, 3, test::q35_mcfg());
    write(corpus / "acpi/q35-tables", tables);
    test::MadtBuilder rich;
    rich.local_apic(0, 0).x2apic(1, 300).nmi(5, 20).local_apic_address(0xfee00000).x2apic_nmi(1, 0, 1);
    ByteBuilder rich_tables;
    rich_tables.u8(1);
    add_table(rich_tables, 0, rich.table());
    write(corpus / "acpi/rich-madt", rich_tables);
    write(corpus / "acpi/bios-area", bios_area());

    test::Multiboot2Builder grub;
    grub.command_line("console=com1").loader("GRUB").module(0x200000, 0x300000, "hello");
    grub.memory_map({{0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {0x100000, 0x7fee0000, 1}, {0x7000000, 0x1000, 3}});
    grub.rgb_framebuffer(0xfd000000, 1024, 768)
        .tag(15, test::rsdp(0x1000, 0x2000))
        .tag(21, ByteBuilder{}.u32(0x1000000));
    write(corpus / "multiboot2/grub", grub.finish());
    test::Multiboot2Builder bare;
    write(corpus / "multiboot2/bare", bare.text_screen().tag(14, test::rsdp(0x1000)).finish());

    for (unsigned character = 0; character < 16; ++character)
        write(corpus / "hypercall" / ("random-" + std::to_string(character)), hostile_kernel(character));

    write(corpus / "elf/linux", kernel_input(2048, 5000, small_linux()));
    write(corpus / "elf/plain", kernel_input(1500, 100, small_plain()));
    auto const kernel = test::kernel_like(3000);
    auto const image = [&](test::ByteBuilder const& packed) {
        return test::bzimage(test::with_size(packed, kernel.size()));
    };
    write(corpus / "unpack/bzimage-xz", image(test::xz(kernel)));
    write(corpus / "unpack/bzimage-zstd", image(test::zstd(kernel, test::SaysSize::no)));
    write(corpus / "unpack/bzimage-gzip", test::bzimage(test::gzip(kernel)));
    write(corpus / "unpack/bzimage-elf", test::bzimage(kernel));
    write(corpus / "unpack/xz", test::xz(kernel, {.filter = LZMA_VLI_UNKNOWN, .check = LZMA_CHECK_CRC64}));
    write(corpus / "unpack/zstd", test::zstd(kernel));
    write(corpus / "unpack/gzip", test::gzip(kernel));

    write(corpus / "record/small", ByteBuilder{}.u8(0).append(small_record()));
    write(corpus / "record/sample", ByteBuilder{}.u8(1).u16(24).u8(1));
    write(corpus / "record/changed",
          ByteBuilder{}.u8(1).u16(0x50).u8(7).u16(0x80).u8(3).u16(0x900).u8(1).u16(0x30).u8(2));

    write(corpus / "stream/small", ByteBuilder{}.u8(0xe).append(test::small_stream()));
    write(corpus / "stream/records", stream_records());

    std::vector<std::byte> conversation;
    for (auto const& message : test::all_messages())
        if (!proto::write(message, conversation))
            return 1;
    write(corpus / "control/all", conversation);
}
