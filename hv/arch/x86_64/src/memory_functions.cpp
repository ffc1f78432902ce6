/// The memory functions that the compiler takes for granted. Words first and bytes last: an emulated CPU takes as long
/// for a byte as for a word, and a real one does not mind.
#include <cstddef>
#include <cstdint>

extern "C" {

namespace {

/// Below it a string instruction takes longer to get going than to copy word by word (and an emulator does nothing else).
constexpr std::size_t kSmall = 128;

void copy_small(void* to, void const* from, std::size_t count) {
    auto* target = static_cast<std::byte*>(to);
    auto const* source = static_cast<std::byte const*>(from);
    std::uint64_t word = 0;
    for (; count >= sizeof word; count -= sizeof word, target += sizeof word, source += sizeof word)
        asm volatile("movq (%2), %0; movq %0, (%1)" : "=&r"(word) : "r"(target), "r"(source) : "memory");
    for (; count != 0; --count, ++target, ++source)
        asm volatile("movb (%2), %b0; movb %b0, (%1)" : "=&r"(word) : "r"(target), "r"(source) : "memory");
}

} // namespace

void* memcpy(void* to, void const* from, std::size_t count) {
    if (count <= kSmall) {
        copy_small(to, from, count);
        return to;
    }
    void* target = to;
    std::size_t words = count / 8;
    std::size_t bytes = count % 8;
    asm volatile("rep movsq" : "+D"(target), "+S"(from), "+c"(words)::"memory");
    asm volatile("rep movsb" : "+D"(target), "+S"(from), "+c"(bytes)::"memory");
    return to;
}

void* memmove(void* to, void const* from, std::size_t count) {
    if (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from) >= count)
        return memcpy(to, from, count); // a forward copy overwrites nothing that it has yet to read
    auto* target = static_cast<std::byte*>(to) + count - 1;
    auto const* source = static_cast<std::byte const*>(from) + count - 1;
    asm volatile("std; rep movsb; cld" : "+D"(target), "+S"(source), "+c"(count)::"memory");
    return to;
}

void* memset(void* to, int value, std::size_t count) {
    void* target = to;
    auto const pattern = std::uint64_t{0x0101'0101'0101'0101} * static_cast<unsigned char>(value);
    std::size_t words = count / 8;
    std::size_t bytes = count % 8;
    asm volatile("rep stosq" : "+D"(target), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(target), "+c"(bytes) : "a"(pattern) : "memory");
    return to;
}

int memcmp(void const* one, void const* other, std::size_t count) {
    auto const* a = static_cast<unsigned char const*>(one);
    auto const* b = static_cast<unsigned char const*>(other);
    for (; count != 0; ++a, ++b, --count)
        if (*a != *b)
            return *a - *b;
    return 0;
}

/// Not among what libraries may need, but what std::string_view makes of a C string. (The attribute: or GCC sees a strlen
/// in it, and calls it.)
[[gnu::optimize("no-tree-loop-distribute-patterns")]] std::size_t strlen(char const* text) {
    std::size_t length = 0;
    while (text[length] != 0)
        ++length;
    return length;
}

} // extern "C"
