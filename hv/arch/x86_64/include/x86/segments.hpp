/// Data segment registers. Loading a guest's selector may fault: then the register is null, and false is answered.
#pragma once

#include <cstdint>

#include "x86/fixup.hpp"

namespace x86 {

#define X86_SEGMENT(name)                                                                                              \
    inline std::uint16_t read_##name() {                                                                               \
        std::uint16_t selector;                                                                                        \
        asm volatile("mov %%" #name ", %0" : "=r"(selector));                                                          \
        return selector;                                                                                               \
    }                                                                                                                  \
    inline bool load_##name(std::uint16_t selector) {                                                                  \
        std::uint32_t refused = 1;                                                                                     \
        asm volatile("1: mov %1, %%" #name "\n"                                                                        \
                     "xor %0, %0\n"                                                                                    \
                     "2:\n" X86_FIXUP(1b, 2b)                                                                          \
                     : "+r"(refused)                                                                                   \
                     : "r"(std::uint32_t{selector})                                                                    \
                     : "memory");                                                                                      \
        if (refused != 0)                                                                                              \
            asm volatile("mov %0, %%" #name ::"r"(0U) : "memory");                                                     \
        return refused == 0;                                                                                           \
    }
X86_SEGMENT(ds)
X86_SEGMENT(es)
X86_SEGMENT(fs)
X86_SEGMENT(gs)
#undef X86_SEGMENT

inline void swap_gs_bases() { asm volatile("swapgs" ::: "memory"); }

} // namespace x86
