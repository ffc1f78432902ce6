/// What the boot loader brought along.
#pragma once

#include "arch/cpu.hpp"
#include "base/bytes.hpp"
#include "boot/multiboot2.hpp"

/// The bytes of @p module, where the boot loader put them.
inline base::Bytes bytes_of(boot::Module const& module) {
    return {arch::direct_map(frame_of(module.start)) + module.start.offset(), module.end - module.start};
}
