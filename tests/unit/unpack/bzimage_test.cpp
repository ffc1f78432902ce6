#include "unpack/bzimage.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/unpack/packing.hpp"

namespace {

using test::ByteBuilder;
using unpack::is_bzimage;
using unpack::payload_of;

ByteBuilder payload() { return ByteBuilder{}.text("a payload").u32(7); }

std::string_view refusal(base::Bytes file) {
    auto const found = payload_of(file);
    return found ? "accepted" : found.error().reason;
}

TEST(BzImage, HasAPayloadAndItsSize) {
    for (unsigned const sectors : {0U, 1U, 2U, 39U}) { // 0 is an old way to say 4
        auto const image = test::bzimage(payload(), sectors);
        ASSERT_TRUE(is_bzimage(image));
        auto const found = payload_of(image);
        ASSERT_TRUE(found) << sectors;
        EXPECT_EQ(found.value().unpacked_size, 7U);
        EXPECT_TRUE(std::ranges::equal(found.value().bytes, payload().bytes())) << sectors;
    }
}

TEST(BzImage, IsNothingElse) {
    EXPECT_FALSE(is_bzimage({}));
    EXPECT_FALSE(is_bzimage(test::kernel_like(4096)));
    EXPECT_FALSE(is_bzimage(ByteBuilder{}.pad_to(0x202).text("Hdr")));
}

TEST(BzImage, IsRefusedFromBeforePayloads) {
    EXPECT_NE(refusal(test::bzimage(payload()).patch(0x206, std::uint16_t{0x207})).find("before Linux 2.6.26"),
              std::string_view::npos);
}

TEST(BzImage, IsRefusedCutOffAtEveryPlace) {
    auto const image = test::bzimage(payload());
    auto const end = image.size() - 64;
    for (std::size_t size = 0x206; size < end; ++size)
        EXPECT_NE(refusal(base::Bytes{image}.first(size)).find("copy the file again"), std::string_view::npos) << size;
    EXPECT_EQ(refusal(base::Bytes{image}.first(end)), "accepted");
}

TEST(BzImage, IsRefusedIfItsNumbersLeadAnywhere) {
    for (std::size_t const field : {0x248U, 0x24cU})
        for (std::uint32_t const value : {0x10000U, 0x7fffffffU, 0xffffffffU})
            EXPECT_NE(refusal(test::bzimage(payload()).patch(field, value)).find("cut off"), std::string_view::npos);
}

TEST(BzImage, IsRefusedWithoutAPayload) {
    for (std::uint32_t const length : {0U, 3U})
        EXPECT_NE(refusal(test::bzimage(payload()).patch(0x24c, length)).find("without a payload"),
                  std::string_view::npos);
}

} // namespace
