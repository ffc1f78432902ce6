#include "build/console_info.hpp"

#include <cstring>
#include <limits>

namespace build {

namespace {

constexpr std::uint64_t kVideoMemoryUnit = 64 << 10;
constexpr std::uint16_t kFontHeight = 16; ///< of the VGA's text mode, which is what "EGA text" is on a PC

template <typename T> bool fits(std::uint64_t value) { return value <= std::numeric_limits<T>::max(); }

} // namespace

std::optional<dom0_vga_console_info_t> console_info_of(boot::Framebuffer const& screen) {
    dom0_vga_console_info_t info;
    std::memset(&info, 0, sizeof info);
    if (!fits<std::uint16_t>(screen.width) || !fits<std::uint16_t>(screen.height) || !fits<std::uint16_t>(screen.pitch))
        return std::nullopt;
    auto const width = static_cast<std::uint16_t>(screen.width);
    auto const height = static_cast<std::uint16_t>(screen.height);

    switch (screen.kind) {
    case boot::Framebuffer::Kind::indexed: return std::nullopt;

    case boot::Framebuffer::Kind::text:
        info.video_type = XEN_VGATYPE_TEXT_MODE_3;
        info.u.text_mode_3.font_height = kFontHeight;
        info.u.text_mode_3.columns = width;
        info.u.text_mode_3.rows = height;
        return info;

    case boot::Framebuffer::Kind::rgb: {
        auto& lfb = info.u.vesa_lfb;
        auto const bytes = std::uint64_t{screen.pitch} * screen.height;
        info.video_type = XEN_VGATYPE_VESA_LFB;
        lfb.width = width;
        lfb.height = height;
        lfb.bytes_per_line = static_cast<std::uint16_t>(screen.pitch);
        lfb.bits_per_pixel = screen.bits_per_pixel;
        lfb.lfb_base = static_cast<std::uint32_t>(screen.address.raw());
        lfb.ext_lfb_base = static_cast<std::uint32_t>(screen.address.raw() >> 32);
        lfb.lfb_size = static_cast<std::uint32_t>((bytes + kVideoMemoryUnit - 1) / kVideoMemoryUnit);
        lfb.red_pos = screen.red.position;
        lfb.red_size = screen.red.bits;
        lfb.green_pos = screen.green.position;
        lfb.green_size = screen.green.bits;
        lfb.blue_pos = screen.blue.position;
        lfb.blue_size = screen.blue.bits;
        return info;
    }
    }
    return std::nullopt;
}

} // namespace build
