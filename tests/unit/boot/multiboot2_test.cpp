#include "boot/multiboot2.hpp"

#include <gtest/gtest.h>

#include "unit/boot/loader.hpp"

namespace {

using base::Error;
using base::Maddr;
using boot::BootInfo;
using boot::Framebuffer;
using boot::MemoryType;
using boot::multiboot2_size;
using boot::parse_multiboot2;
using test::ByteBuilder;
using test::Multiboot2Builder;

class Multiboot2 : public testing::Test {
  protected:
    base::Status parse(base::Bytes bytes) {
        kept_.assign(bytes.begin(), bytes.end()); // an allocation of just this size: the sanitizer guards its end
        return parse_multiboot2(kept_, info);
    }

    BootInfo info;

  private:
    std::vector<std::byte> kept_;
};

TEST_F(Multiboot2, ReadsWhatGrubSays) {
    ASSERT_TRUE(parse(Multiboot2Builder{}
                          .command_line("console=com1 noreboot")
                          .loader("GRUB 2.06-13")
                          .module(0x200000, 0x345678, "hello guest options")
                          .module(0x400000, 0x400000, "")
                          .memory_map({{0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {0x100000, 0x7fee0000, 1}})
                          .rgb_framebuffer(0xfd000000, 1024, 768)
                          .tag(15, ByteBuilder{}.text("RSD PTR new"))
                          .tag(21, ByteBuilder{}.u32(0x1000000))
                          .finish()));
    EXPECT_EQ(info.command_line, "console=com1 noreboot");
    EXPECT_EQ(info.loader, "GRUB 2.06-13");
    ASSERT_EQ(info.modules.size(), 2U);
    EXPECT_EQ(info.modules[0].start, Maddr{0x200000});
    EXPECT_EQ(info.modules[0].end, Maddr{0x345678});
    EXPECT_EQ(info.modules[0].command_line, "hello guest options");
    EXPECT_EQ(info.modules[1].command_line, "");
    ASSERT_EQ(info.memory.size(), 3U);
    EXPECT_EQ(info.memory[1].type, MemoryType::reserved);
    EXPECT_EQ(info.memory[2].end, Maddr{0x7ffe0000});
    ASSERT_TRUE(info.framebuffer);
    EXPECT_EQ(info.framebuffer->kind, Framebuffer::Kind::rgb);
    EXPECT_EQ(info.framebuffer->pitch, 4096U);
    EXPECT_EQ(info.framebuffer->red.position, 16);
    EXPECT_EQ(info.framebuffer->blue.bits, 8);
    EXPECT_EQ(info.rsdp.size(), 11U);
    EXPECT_EQ(info.image_base, Maddr{0x1000000});
}

TEST_F(Multiboot2, AnEmptyStructureIsAllRight) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.finish()));
    EXPECT_EQ(info.command_line, "");
    EXPECT_TRUE(info.modules.empty());
    EXPECT_FALSE(info.framebuffer);
    EXPECT_FALSE(info.image_base);
}

TEST_F(Multiboot2, ForgetsWhatWasInTheResultBefore) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.module(0, 1, "x").command_line("y").finish()));
    ASSERT_TRUE(parse(Multiboot2Builder{}.finish()));
    EXPECT_TRUE(info.modules.empty());
    EXPECT_EQ(info.command_line, "");
}

TEST_F(Multiboot2, PrefersTheNewRootPointerWhateverTheOrder) {
    auto const old_one = ByteBuilder{}.text("old");
    auto const new_one = ByteBuilder{}.text("newer");
    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(14, old_one).tag(15, new_one).finish()));
    EXPECT_EQ(info.rsdp.size(), 5U);
    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(15, new_one).tag(14, old_one).finish()));
    EXPECT_EQ(info.rsdp.size(), 5U);
    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(14, old_one).finish()));
    EXPECT_EQ(info.rsdp.size(), 3U);
}

TEST_F(Multiboot2, SkipsTagsItDoesNotKnow) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(999, ByteBuilder{}.u8(1)).command_line("here").finish()));
    EXPECT_EQ(info.command_line, "here");
}

TEST_F(Multiboot2, ReadsMapsWithLargerEntries) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.memory_map({{0x1000, 0x1000, 1}, {0x4000, 0x1000, 3}}, 40).finish()));
    ASSERT_EQ(info.memory.size(), 2U);
    EXPECT_EQ(info.memory[1].type, MemoryType::acpi_tables);
}

TEST_F(Multiboot2, CutsARangeOffAtTheEndOfTheAddressSpace) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.memory_map({{~std::uint64_t{0} - 0xfff, 0x10000, 2}, {5, 0, 1}}).finish()));
    ASSERT_EQ(info.memory.size(), 1U);
    EXPECT_EQ(info.memory[0].end, Maddr{~std::uint64_t{0}});
}

TEST_F(Multiboot2, ReadsTextScreensAndPassesOverScreensItDoesNotKnow) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.text_screen().finish()));
    ASSERT_TRUE(info.framebuffer);
    EXPECT_EQ(info.framebuffer->width, 80U);
    EXPECT_EQ(info.framebuffer->kind, Framebuffer::Kind::text);

    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(8, ByteBuilder{}.pad_to(21).u8(3).u16(0)).finish()));
    EXPECT_FALSE(info.framebuffer);
    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(8, ByteBuilder{}.u32(0)).finish()));
    EXPECT_FALSE(info.framebuffer);
    ASSERT_TRUE(
        parse(Multiboot2Builder{}.tag(8, ByteBuilder{}.pad_to(21).u8(1).u16(0)).finish())); // RGB, but no colours
    EXPECT_FALSE(info.framebuffer);
}

TEST_F(Multiboot2, TakesTextWithoutItsNul) {
    ASSERT_TRUE(parse(Multiboot2Builder{}.tag(1, ByteBuilder{}.text("open end")).finish()));
    EXPECT_EQ(info.command_line, "open end");
}

// --- all the error paths follow --------------------------------------------------------------------------------------

TEST_F(Multiboot2, RefusesASizeThatCannotBe) {
    auto whole = Multiboot2Builder{}.finish();
    for (std::uint32_t const size : {0U, 8U, 15U, 17U, 0xffffffffU})
        EXPECT_EQ(parse(ByteBuilder{whole}.patch(0, size)).error(), Error::invalid) << size;
    EXPECT_FALSE(multiboot2_size({}));
    EXPECT_FALSE(multiboot2_size(ByteBuilder{}.u32(100)));
    EXPECT_EQ(multiboot2_size(whole), 16U);
}

TEST_F(Multiboot2, RefusesAStructureWithoutAnEnd) {
    EXPECT_EQ(parse(Multiboot2Builder{}.command_line("x").without_end()).error(), Error::invalid);
}

TEST_F(Multiboot2, RefusesATagShorterThanItsHeader) {
    for (std::uint32_t const size : {0U, 1U, 7U})
        EXPECT_EQ(parse(Multiboot2Builder{}.command_line("x").finish().patch(12, size)).error(), Error::invalid)
            << size;
}

TEST_F(Multiboot2, RefusesATagThatReachesPastTheEnd) {
    for (std::uint32_t const size : {64U, 0x7fffffffU, 0xfffffff9U, 0xffffffffU})
        EXPECT_EQ(parse(Multiboot2Builder{}.command_line("x").finish().patch(12, size)).error(), Error::invalid)
            << size;
}

TEST_F(Multiboot2, RefusesAModuleThatIsCutOffOrEndsBeforeItStarts) {
    EXPECT_EQ(parse(Multiboot2Builder{}.tag(3, ByteBuilder{}.u32(0)).finish()).error(), Error::invalid);
    EXPECT_EQ(parse(Multiboot2Builder{}.module(2, 1, "").finish()).error(), Error::invalid);
}

TEST_F(Multiboot2, RefusesAMemoryMapWithImpossibleEntries) {
    EXPECT_EQ(parse(Multiboot2Builder{}.tag(6, ByteBuilder{}.u32(24)).finish()).error(), Error::invalid);
    EXPECT_EQ(parse(Multiboot2Builder{}.tag(6, ByteBuilder{}.u32(0).u32(0).u64(0)).finish()).error(), Error::invalid);
    EXPECT_EQ(parse(Multiboot2Builder{}.tag(6, ByteBuilder{}.u32(23).u32(0)).finish()).error(), Error::invalid);
}

TEST_F(Multiboot2, SaysSoIfThereIsMoreThanItHolds) {
    Multiboot2Builder modules;
    for (unsigned i = 0; i < 9; ++i)
        modules.module(i, i, "");
    EXPECT_EQ(parse(modules.finish()).error(), Error::no_space);

    Multiboot2Builder ranges;
    for (unsigned i = 0; i < 129; ++i)
        ranges.memory_map({{i, 1, 1}});
    EXPECT_EQ(parse(ranges.finish()).error(), Error::no_space);
}

} // namespace
