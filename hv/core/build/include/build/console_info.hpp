/// The screen, as dom0 is told of it: dom0_vga_console_info (<xen/xen.h>) from what the boot loader said.
#pragma once

#include <optional>

#include "abi/xen.hpp"
#include "boot/multiboot2.hpp"

namespace build {

/// Nothing for a screen that the structure cannot describe (a palette, or sizes that do not fit).
std::optional<dom0_vga_console_info_t> console_info_of(boot::Framebuffer const& screen);

} // namespace build
