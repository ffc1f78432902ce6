/// Debug registers.
#pragma once

#include <array>
#include <cstdint>

namespace x86 {

inline void write_dr_addresses(std::array<std::uint64_t, 4> const& address) {
    asm volatile("mov %0, %%dr0\n"
                 "mov %1, %%dr1\n"
                 "mov %2, %%dr2\n"
                 "mov %3, %%dr3" ::"r"(address[0]),
                 "r"(address[1]), "r"(address[2]), "r"(address[3]));
}
inline void write_dr6(std::uint64_t value) { asm volatile("mov %0, %%dr6" ::"r"(value)); }
inline void write_dr7(std::uint64_t value) { asm volatile("mov %0, %%dr7" ::"r"(value)); }
inline std::uint64_t read_dr6_register() {
    std::uint64_t value;
    asm volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

} // namespace x86
