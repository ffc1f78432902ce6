/// CPUID.
#pragma once

#include <cstdint>

#include "arch/cpu.hpp"

namespace x86 {

inline arch::CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    arch::CpuidResult result;
    asm volatile("cpuid"
                 : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                 : "a"(leaf), "c"(subleaf));
    return result;
}

} // namespace x86
