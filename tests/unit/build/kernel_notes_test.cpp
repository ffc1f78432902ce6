#include "build/kernel_notes.hpp"

#include <gtest/gtest.h>

#include "unit/build/kernel_file.hpp"

namespace {

using base::Error;
using base::Vaddr;
using build::ElfImage;
using build::KernelNotes;
using build::parse_notes;
using test::ByteBuilder;
using test::NotesBuilder;

build::Expected<KernelNotes> parse(base::Bytes bytes) {
    ElfImage image;
    EXPECT_TRUE(image.notes.push_back(bytes));
    return parse_notes(image);
}
build::Expected<KernelNotes> parse(NotesBuilder const& notes) { return parse(base::Bytes{notes.bytes}); }

NotesBuilder with_entry() { return NotesBuilder{}.number(XEN_ELFNOTE_ENTRY, 0x1000); }

TEST(KernelNotes, ReadsWhatDebiansLinuxSays) {
    auto const bytes = test::linux_notes(0xffffffff830791c0);
    auto const result = parse(bytes);
    ASSERT_TRUE(result);
    auto const& notes = result.value();
    EXPECT_EQ(notes.entry, Vaddr{0xffffffff830791c0});
    EXPECT_EQ(notes.virt_base, Vaddr{0xffffffff80000000});
    EXPECT_EQ(notes.paddr_offset, 0U);
    EXPECT_FALSE(notes.hypercall_page);
    EXPECT_EQ(notes.init_p2m, Vaddr{0x8000000000});
    EXPECT_TRUE(notes.mod_start_pfn);
    EXPECT_TRUE(notes.suspend_cancel);
    EXPECT_EQ(notes.features.required, 1U);
    EXPECT_EQ(notes.features.supported, 0x8811U);
    EXPECT_TRUE(notes.says_features);
    EXPECT_EQ(notes.hv_start_low, Vaddr{0xffff800000000000});
    EXPECT_EQ(notes.phys32_entry, 0x1000850U);
    EXPECT_EQ(notes.l1_valid.mask, 1U);
    EXPECT_EQ(notes.xen_version, "xen-3.0");
    EXPECT_EQ(notes.guest_os, "linux");
    EXPECT_EQ(notes.guest_version, "2.6");
    EXPECT_EQ(notes.loader, "generic");
    EXPECT_EQ(notes.pae_mode, "yes");
}

TEST(KernelNotes, LeavesOutWhatIsNotSaid) {
    auto const notes = parse(with_entry()).value();
    EXPECT_FALSE(notes.init_p2m || notes.hypercall_page || notes.hv_start_low || notes.phys32_entry);
    EXPECT_FALSE(notes.mod_start_pfn || notes.suspend_cancel || notes.says_features);
    EXPECT_EQ(notes.virt_base, Vaddr{0});
}

TEST(KernelNotes, TakesNumbersOfAnyWidth) {
    EXPECT_EQ(parse(NotesBuilder{}.note(XEN_ELFNOTE_ENTRY, ByteBuilder{}.u8(7))).value().entry, Vaddr{7});
    EXPECT_EQ(parse(NotesBuilder{}.note(XEN_ELFNOTE_ENTRY, ByteBuilder{}.u16(0x700))).value().entry, Vaddr{0x700});
    EXPECT_EQ(parse(NotesBuilder{}.note(XEN_ELFNOTE_ENTRY, ByteBuilder{}.u32(0x70000))).value().entry, Vaddr{0x70000});
}

TEST(KernelNotes, PassesOverOtherOwnersUnknownNotesAndPadding) {
    auto notes = NotesBuilder{}.note(XEN_ELFNOTE_ENTRY, ByteBuilder{}.u8(1).u8(2).u8(3), "GNU");
    notes.number(0x7777, 1).number(XEN_ELFNOTE_ENTRY, 0x1000);
    notes.bytes.u32(0).u32(0);
    EXPECT_EQ(parse(notes).value().entry, Vaddr{0x1000});
}

TEST(KernelNotes, ReadsAllSegmentsOfNotes) {
    auto const first = with_entry();
    auto const second = NotesBuilder{}.text(XEN_ELFNOTE_GUEST_OS, "tern");
    ElfImage image;
    ASSERT_TRUE(image.notes.push_back(base::Bytes{first.bytes}));
    ASSERT_TRUE(image.notes.push_back(base::Bytes{second.bytes}));
    EXPECT_EQ(parse_notes(image).value().guest_os, "tern");
}

TEST(KernelNotes, RefusesAKernelThatIsNoPvGuest) {
    EXPECT_EQ(parse(NotesBuilder{}).error().error, Error::not_supported);
    EXPECT_NE(parse(NotesBuilder{}).error().reason.find("no Xen notes"), std::string_view::npos);
    auto const hvm_only = NotesBuilder{}.number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000);
    EXPECT_NE(parse(hvm_only).error().reason.find("no PV entry"), std::string_view::npos);
}

TEST(KernelNotes, RefusesAKernelThatRequiresWhatTernLacks) {
    auto const unknown = with_entry().text(XEN_ELFNOTE_FEATURES, "!teleportation");
    EXPECT_EQ(parse(unknown).error().error, Error::not_supported);
    auto const lacking = with_entry().text(XEN_ELFNOTE_FEATURES, "!auto_translated_physmap");
    EXPECT_EQ(parse(lacking).error().error, Error::not_supported);
}

TEST(KernelNotes, RefusesBrokenNotes) {
    EXPECT_FALSE(parse(NotesBuilder{}.note(XEN_ELFNOTE_ENTRY, ByteBuilder{}.u8(1).u8(2).u8(3))));
    EXPECT_FALSE(parse(NotesBuilder{}.note(XEN_ELFNOTE_ENTRY, {})));
    EXPECT_FALSE(parse(with_entry().note(XEN_ELFNOTE_L1_MFN_VALID, ByteBuilder{}.u64(1))));
    for (std::size_t const field : {0UL, 4UL})
        for (std::uint32_t const size : {64U, 0x7fffffffU, 0xfffffffeU, 0xffffffffU})
            EXPECT_FALSE(parse(with_entry().bytes.patch(field, size))) << field << " " << size;
}

} // namespace
