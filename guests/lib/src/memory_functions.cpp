/// What the compiler may call: there is no runtime below a guest.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memset(void* to, int byte, std::size_t size) {
    void* const start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
    return start;
}

void* memcpy(void* to, void const* from, std::size_t size) {
    void* const start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

void* memmove(void* to, void const* from, std::size_t size) {
    auto* const into = static_cast<unsigned char*>(to);
    auto const* const source = static_cast<unsigned char const*>(from);
    if (reinterpret_cast<std::uintptr_t>(to) <= reinterpret_cast<std::uintptr_t>(from))
        return memcpy(to, from, size);
    for (std::size_t i = size; i-- > 0;)
        *const_cast<unsigned char volatile*>(into + i) = source[i];
    return to;
}

std::size_t strlen(char const* text) {
    std::size_t length = 0;
    while (*const_cast<char const volatile*>(text + length) != 0)
        ++length;
    return length;
}

void const* memchr(void const* text, int wanted, std::size_t size) {
    auto const* const bytes = static_cast<unsigned char const*>(text);
    for (std::size_t i = 0; i < size; ++i)
        if (bytes[i] == static_cast<unsigned char>(wanted))
            return bytes + i;
    return nullptr;
}

int memcmp(void const* a, void const* b, std::size_t size) {
    auto const* const left = static_cast<unsigned char const*>(a);
    auto const* const right = static_cast<unsigned char const*>(b);
    for (std::size_t i = 0; i < size; ++i)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}
}

namespace base {
[[noreturn]] void assertion_failed(char const*, char const*, unsigned) { __builtin_trap(); }
} // namespace base
