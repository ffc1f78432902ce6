/// Hypercalls, by a bare SYSCALL as Debian's Linux makes them (docs/abi.md §3.0).
#pragma once

#include <cstdint>
#include <type_traits>

#include "abi/xen.hpp"

namespace lib {

namespace detail {
template <typename T> std::uint64_t word([[maybe_unused]] T value) {
    if constexpr (std::is_null_pointer_v<T>)
        return 0;
    else if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<std::uint64_t>(value);
    else
        return static_cast<std::uint64_t>(value);
}
} // namespace detail

inline std::int64_t raw_hypercall(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                                  std::uint64_t d = 0, std::uint64_t e = 0) {
    std::int64_t result = 0;
    register std::uint64_t r10 asm("r10") = d;
    register std::uint64_t r8 asm("r8") = e;
    asm volatile("syscall"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                 : "a"(number)
                 : "rcx", "r11", "memory");
    return result;
}

/// Any hypercall; arguments are numbers or pointers.
template <typename... Args> std::int64_t hypercall(std::uint64_t number, Args... args) {
    return raw_hypercall(number, detail::word(args)...);
}

/// An empty hypercall with four registers loaded around it, which come back as the hypervisor left them.
inline void hypercall_keeping(std::uint64_t& in_rbx, std::uint64_t& in_r9, std::uint64_t& in_r12,
                              std::uint64_t& in_r15) {
    register std::uint64_t r9 asm("r9") = in_r9;
    register std::uint64_t r12 asm("r12") = in_r12;
    register std::uint64_t r15 asm("r15") = in_r15;
    std::uint64_t number = __HYPERVISOR_xen_version;
    asm volatile("syscall"
                 : "+a"(number), "+b"(in_rbx), "+r"(r9), "+r"(r12), "+r"(r15)
                 : "D"(XENVER_version), "S"(0)
                 : "rcx", "r11", "memory");
    in_r9 = r9;
    in_r12 = r12;
    in_r15 = r15;
}

} // namespace lib
