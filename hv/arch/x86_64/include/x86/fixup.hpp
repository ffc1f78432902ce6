/// Instructions of ours that may fault: the few places where the CPU checks foreign values (selectors, MSR numbers,
/// XSAVE areas). Each is listed with where to go on; a fault anywhere else in the hypervisor is a panic.
#pragma once

#include <cstdint>

/// In an asm statement: a fault at label @p from goes on at label @p to.
#define X86_FIXUP(from, to)                                                                                            \
    ".pushsection .fixups, \"a\"\n"                                                                                    \
    ".balign 4\n"                                                                                                      \
    ".long " #from " - .\n"                                                                                            \
    ".long " #to " - .\n"                                                                                              \
    ".popsection\n"

namespace x86 {

/// Where to go on after a fault at @p rip; 0 if nothing is known of it.
std::uint64_t find_fixup(std::uint64_t rip);

} // namespace x86
