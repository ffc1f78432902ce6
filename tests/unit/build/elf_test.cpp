#include "build/elf.hpp"

#include <gtest/gtest.h>

#include "unit/build/kernel_file.hpp"

namespace {

using base::Error;
using build::parse_elf;
using test::ByteBuilder;
using test::ElfBuilder;

ElfBuilder one_segment() { return ElfBuilder{}.load(0x8000, 0x1000, test::filled(16, 7), 32); }

/// A header field of the file, or of its first program header, changed.
template <typename T> ByteBuilder with(std::size_t offset, T value) {
    return one_segment().file().patch(offset, value);
}

template <typename T> void expect_refusal(std::size_t offset, T value, std::string_view words) {
    auto const result = parse_elf(with(offset, value));
    ASSERT_FALSE(result) << offset;
    EXPECT_NE(result.error().reason.find(words), std::string_view::npos) << result.error().reason;
}

constexpr std::size_t kSegment = ElfBuilder::kHeaderSize;

TEST(Elf, FindsSegmentsAndNotes) {
    auto const file = test::linux_like();
    auto const image = parse_elf(file);
    ASSERT_TRUE(image);
    ASSERT_EQ(image.value().segments.size(), 3U);
    EXPECT_EQ(image.value().notes.size(), 1U);
    EXPECT_EQ(image.value().entry, 0x1000000U);
    auto const& per_cpu = image.value().segments[1];
    EXPECT_EQ(per_cpu.virtual_address, 0U);
    EXPECT_EQ(per_cpu.physical_address, 0x1002000U);
    EXPECT_EQ(per_cpu.contents.size(), 0x80U);
    EXPECT_EQ(per_cpu.contents[0], std::byte{0x22});
    EXPECT_EQ(per_cpu.physical_end(), 0x1002400U);
}

TEST(Elf, PassesOverSegmentsThatAreEmptyOrOfOtherKinds) {
    auto file = ElfBuilder{}.load(0, 0, {}, 0).load(0x8000, 0x1000, test::filled(16, 7), 16).load(0, 0, {}, 8).file();
    file.patch(kSegment + 2 * ElfBuilder::kProgramHeaderSize, std::uint32_t{0x6474e551}); // PT_GNU_STACK
    EXPECT_EQ(parse_elf(file).value().segments.size(), 1U);
}

TEST(Elf, RefusesWhatIsNotAnExecutableForThisCpu) {
    expect_refusal(0, std::uint8_t{0x7e}, "not an ELF");
    expect_refusal(4, std::uint8_t{1}, "64-bit x86");
    expect_refusal(5, std::uint8_t{2}, "64-bit x86");
    expect_refusal(18, std::uint16_t{183}, "64-bit x86");
    expect_refusal(16, std::uint16_t{3}, "executable");
    EXPECT_FALSE(parse_elf({}));
}

TEST(Elf, RefusesProgramHeadersThatCannotBe) {
    expect_refusal(54, std::uint16_t{55}, "impossible size");
    expect_refusal(32, ~std::uint64_t{0}, "past the end of the file");
    expect_refusal(32, std::uint64_t{1} << 63, "past the end of the file");
    expect_refusal(56, std::uint16_t{0xffff}, "past the end of the file");
    expect_refusal(56, std::uint16_t{0}, "nothing to load");
}

TEST(Elf, RefusesSegmentsThatCannotBe) {
    expect_refusal(kSegment + 8, std::uint64_t{1} << 40, "past the end of the file");
    expect_refusal(kSegment + 8, ~std::uint64_t{0}, "past the end of the file");
    expect_refusal(kSegment + 32, std::uint64_t{17}, "past the end of the file");
    expect_refusal(kSegment + 40, std::uint64_t{15}, "larger in the file");
    expect_refusal(kSegment + 40, ~std::uint64_t{0}, "past the end of memory");
    expect_refusal(kSegment + 24, ~std::uint64_t{0}, "past the end of memory");
}

TEST(Elf, RefusesNotesPastTheEndOfTheFile) {
    auto file = one_segment().notes(test::NotesBuilder{}.number(1, 2)).file();
    file.patch(kSegment + ElfBuilder::kProgramHeaderSize + 32, std::uint64_t{4096});
    EXPECT_NE(parse_elf(file).error().reason.find("notes"), std::string_view::npos);
}

TEST(Elf, RefusesMoreThanItHolds) {
    ElfBuilder segments;
    for (unsigned i = 0; i < 17; ++i)
        segments.load(i, i, test::filled(1, 1), 1);
    EXPECT_EQ(parse_elf(segments.file()).error().error, Error::no_space);

    auto notes = one_segment();
    for (unsigned i = 0; i < 9; ++i)
        notes.notes({});
    EXPECT_EQ(parse_elf(notes.file()).error().error, Error::no_space);
}

TEST(Elf, RefusesAnyFileThatIsCutOff) {
    auto const file = test::linux_like();
    for (std::size_t size = 0; size < file.size(); size += 37)
        EXPECT_FALSE(parse_elf(base::Bytes{file}.first(size))) << size;
}

} // namespace
