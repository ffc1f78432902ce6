#include "build/console_info.hpp"

#include <gtest/gtest.h>

namespace {

using boot::Framebuffer;
using build::console_info_of;

Framebuffer screen() {
    return {.kind = Framebuffer::Kind::rgb,
            .address = base::Maddr{0x2'fd00'0000},
            .pitch = 4096,
            .width = 1024,
            .height = 769,
            .bits_per_pixel = 32,
            .red = {16, 8},
            .green = {8, 8},
            .blue = {0, 8}};
}

TEST(ConsoleInfo, DescribesALinearFramebuffer) {
    auto const info = console_info_of(screen());
    ASSERT_TRUE(info);
    EXPECT_EQ(info->video_type, XEN_VGATYPE_VESA_LFB);
    auto const& lfb = info->u.vesa_lfb;
    EXPECT_EQ(lfb.width, 1024);
    EXPECT_EQ(lfb.bytes_per_line, 4096);
    EXPECT_EQ(lfb.lfb_base, 0xfd000000U);
    EXPECT_EQ(lfb.ext_lfb_base, 2U);
    EXPECT_EQ(lfb.lfb_size, 49U); // 64 KiB each; the last one is begun
    EXPECT_EQ(lfb.red_pos, 16);
    EXPECT_EQ(lfb.green_pos, 8);
    EXPECT_EQ(lfb.blue_size, 8);
}

TEST(ConsoleInfo, DescribesATextScreen) {
    auto const info = console_info_of({.kind = Framebuffer::Kind::text,
                                       .address = base::Maddr{0xb8000},
                                       .pitch = 160,
                                       .width = 80,
                                       .height = 25,
                                       .bits_per_pixel = 16,
                                       .red = {},
                                       .green = {},
                                       .blue = {}});
    ASSERT_TRUE(info);
    EXPECT_EQ(info->video_type, XEN_VGATYPE_TEXT_MODE_3);
    EXPECT_EQ(info->u.text_mode_3.columns, 80);
    EXPECT_EQ(info->u.text_mode_3.rows, 25);
}

TEST(ConsoleInfo, IsNothingForWhatItCannotDescribe) {
    auto indexed = screen();
    indexed.kind = Framebuffer::Kind::indexed;
    EXPECT_FALSE(console_info_of(indexed));
    for (auto const field : {&Framebuffer::width, &Framebuffer::height, &Framebuffer::pitch}) {
        auto huge = screen();
        huge.*field = 0x10000;
        EXPECT_FALSE(console_info_of(huge));
    }
}

} // namespace
