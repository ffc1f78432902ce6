/// Domain 0, made at start of day: its memory, its kernel, its first vCPU.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "abi/xen.hpp"
#include "base/bytes.hpp"
#include "boot/dom0_options.hpp"
#include "build/refusal.hpp"
#include "domain/domain.hpp"

namespace dom0 {

struct Request {
    base::Bytes kernel; ///< an ELF file with Xen notes
    base::Bytes initrd; ///< empty: none
    std::string_view command_line;
    std::string_view more_arguments;
    boot::Dom0Memory memory;
    std::uint32_t vcpus = 1;
    std::optional<dom0_vga_console_info_t> console{};
};

/// Builds domain 0 and has its first vCPU wait to run. What makes that impossible is told by a sentence; then the
/// machine has no purpose, and nothing is taken back.
[[nodiscard]] build::Expected<domain::Domain*> make(domain::System& system, Request const& request);

} // namespace dom0
