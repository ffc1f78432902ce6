#include "unpack/format.hpp"

#include <gtest/gtest.h>

#include "unit/boot/byte_builder.hpp"
#include "unit/unpack/packing.hpp"

namespace {

using test::ByteBuilder;
using unpack::Format;
using unpack::format_of;

TEST(Format, IsToldByTheFirstBytes) {
    auto const kernel = test::kernel_like(100);
    EXPECT_EQ(format_of(kernel), Format::elf);
    EXPECT_EQ(format_of(test::xz(kernel)), Format::xz);
    EXPECT_EQ(format_of(test::zstd(kernel)), Format::zstd);
    EXPECT_EQ(format_of(test::gzip(kernel)), Format::gzip);
    EXPECT_EQ(format_of(ByteBuilder{}.text("BZh91AY")), Format::bzip2);
    EXPECT_EQ(format_of(ByteBuilder{}.u32(0x5d)), Format::lzma);
    EXPECT_EQ(format_of(ByteBuilder{}.u8(0x89).text("LZO")), Format::lzo);
    EXPECT_EQ(format_of(ByteBuilder{}.u32(0x184c2102)), Format::lz4);
}

TEST(Format, IsUnknownOfAnythingElse) {
    EXPECT_EQ(format_of({}), Format::unknown);
    EXPECT_EQ(format_of(ByteBuilder{}.u8(0x7f).text("EL")), Format::unknown);
    EXPECT_EQ(format_of(ByteBuilder{}.text("#!/bin/sh")), Format::unknown);
}

TEST(Format, HasAName) {
    EXPECT_EQ(name_of(Format::xz), "XZ");
    EXPECT_EQ(name_of(Format::unknown), "unknown");
}

} // namespace
