#include "build/kernel.hpp"

#include <gtest/gtest.h>

#include "unit/build/kernel_file.hpp"

namespace {

using base::Pfn;
using build::open_kernel;
using test::ByteBuilder;
using test::ElfBuilder;
using test::NotesBuilder;

std::string_view refusal(base::Bytes file) {
    auto const kernel = open_kernel(file);
    return kernel ? "accepted" : kernel.error().reason;
}

NotesBuilder notes(std::uint64_t entry, std::uint64_t offset = 0) {
    return NotesBuilder{}.number(XEN_ELFNOTE_ENTRY, entry).number(XEN_ELFNOTE_PADDR_OFFSET, offset);
}

TEST(Kernel, OpensALinux) {
    auto const file = test::linux_like();
    auto const kernel = open_kernel(file);
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel.value().extent, (build::PfnRange{Pfn{0x1000}, Pfn{0x1008}}));
    EXPECT_EQ(kernel.value().offset_of(0x1003000), 0x1003000U);
}

TEST(Kernel, CountsFramesFromItsPaddrOffset) {
    auto const file =
        ElfBuilder{}.load(0, 0x20001000, test::filled(8, 1), 0x1001).notes(notes(0x1000, 0x20000000)).file();
    auto const kernel = open_kernel(file);
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel.value().extent, (build::PfnRange{Pfn{1}, Pfn{3}}));
    EXPECT_EQ(kernel.value().offset_of(0x20001000), 0x1000U);
}

TEST(Kernel, RefusesASegmentBelowThePaddrOffset) {
    auto const file = ElfBuilder{}.load(0, 0x1000, test::filled(8, 1), 8).notes(notes(0x1000, 0x2000)).file();
    EXPECT_NE(refusal(file).find("below its PADDR_OFFSET"), std::string_view::npos);
}

TEST(Kernel, RefusesAnEntryOutsideOfIt) {
    for (std::uint64_t const entry :
         {std::uint64_t{0}, std::uint64_t{0xfff}, std::uint64_t{0x2000}, ~std::uint64_t{0}}) {
        auto const file = ElfBuilder{}.load(0, 0x1000, test::filled(8, 1), 8).notes(notes(entry)).file();
        EXPECT_NE(refusal(file).find("entry point"), std::string_view::npos) << entry;
    }
}

TEST(Kernel, RefusesAHypercallPageOutsideOfIt) {
    for (std::uint64_t const page : {0x0UL, 0x1800UL, 0x3000UL}) {
        auto const all = notes(0x1000).number(XEN_ELFNOTE_HYPERCALL_PAGE, page);
        auto const file = ElfBuilder{}.load(0, 0x1000, test::filled(8, 1), 0x2000).notes(all).file();
        EXPECT_NE(refusal(file).find("hypercall page"), std::string_view::npos) << page;
    }
}

TEST(Kernel, RefusesAnythingElse) {
    EXPECT_FALSE(open_kernel({}));
    EXPECT_EQ(refusal(ByteBuilder{}.text("#!/bin/sh").pad_to(100)), "not an ELF file");
}

} // namespace
