/// The forms of stores that a kernel changes page tables with: one function an instruction (docs/abi.md §2.3).
#pragma once

#include <cstdint>

namespace lib {

/// What stands before the instruction. Linux puts a DS prefix where LOCK was, on a kernel with one processor.
enum class Prefix { lock, ds };

#define PREFIXED(prefix, ...)                                                                                          \
    if constexpr (prefix == Prefix::lock)                                                                              \
        asm volatile("lock " __VA_ARGS__);                                                                             \
    else                                                                                                               \
        asm volatile(".byte 0x3e\n\t" __VA_ARGS__)

template <Prefix prefix = Prefix::lock>
bool compare_exchange(std::uint64_t* entry, std::uint64_t& expected, std::uint64_t fresh) {
    bool done;
    PREFIXED(prefix, "cmpxchg %3, %1" : "+a"(expected), "+m"(*entry), "=@ccz"(done) : "r"(fresh));
    return done;
}
template <Prefix prefix = Prefix::lock> bool reset_bit(std::uint64_t* entry, std::uint64_t bit) {
    bool was;
    PREFIXED(prefix, "btrq %2, %0" : "+m"(*entry), "=@ccc"(was) : "r"(bit));
    return was;
}
template <Prefix prefix = Prefix::lock> bool set_bit(std::uint64_t* entry, std::uint64_t bit) {
    bool was;
    PREFIXED(prefix, "btsq %2, %0" : "+m"(*entry), "=@ccc"(was) : "r"(bit));
    return was;
}
/// With the bit's number in the instruction.
template <unsigned bit> bool reset_bit_immediate(std::uint64_t* entry) {
    bool was;
    asm volatile("lock btrq %2, %0" : "+m"(*entry), "=@ccc"(was) : "i"(bit));
    return was;
}
template <unsigned bit> bool set_bit_immediate(std::uint64_t* entry) {
    bool was;
    asm volatile("lock btsq %2, %0" : "+m"(*entry), "=@ccc"(was) : "i"(bit));
    return was;
}
template <std::uint8_t mask, Prefix prefix = Prefix::lock> void and_first_byte(std::uint64_t* entry) {
    PREFIXED(prefix, "andb %1, %0" : "+m"(*reinterpret_cast<std::uint8_t*>(entry)) : "i"(mask));
}
template <std::uint8_t bits> void or_first_byte(std::uint64_t* entry) {
    asm volatile("lock orb %1, %0" : "+m"(*reinterpret_cast<std::uint8_t*>(entry)) : "i"(bits));
}
#undef PREFIXED

template <int value> void store_immediate(std::uint64_t* entry) {
    asm volatile("movq %1, %0" : "=m"(*entry) : "i"(value));
}
inline std::uint64_t exchange(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("xchg %0, %1" : "+r"(value), "+m"(*entry));
    return value;
}
inline void add(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("lock addq %1, %0" : "+m"(*entry) : "r"(value));
}
/// True if nothing is left.
inline bool subtract(std::uint64_t* entry, std::uint64_t value) {
    bool zero;
    asm volatile("lock subq %2, %0" : "+m"(*entry), "=@ccz"(zero) : "r"(value));
    return zero;
}
inline void exclusive_or(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("lock xorq %1, %0" : "+m"(*entry) : "r"(value));
}
inline void increment_second_byte(std::uint64_t* entry) { asm volatile("lock incb 1+%0" : "+m"(*entry)); }
inline std::uint64_t exchange_add(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("lock xaddq %0, %1" : "+r"(value), "+m"(*entry));
    return value;
}

// MOV to addresses of several forms.
inline void store_indexed(std::uint64_t* base, std::uint64_t index, std::uint64_t value) {
    asm volatile("movq %0, (%1, %2, 8)" : : "r"(value), "r"(base), "r"(index) : "memory");
}
inline void store_displaced(std::uint64_t* base, std::uint64_t value) {
    asm volatile("movq %0, 16(%1)" : : "r"(value), "r"(base) : "memory");
}
inline void store_far_below(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("movq %0, -0x10000(%1, %2)" : : "r"(value), "r"(entry), "r"(std::uint64_t{0x10000}) : "memory");
}
inline void store_by_r12(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("mov %1, %%r12\n\tmovq %0, (%%r12)" : : "r"(value), "r"(entry) : "memory", "r12");
}
inline void store_by_r13(std::uint64_t* entry, std::uint64_t value) {
    asm volatile("mov %1, %%r13\n\tmovq %0, 0(%%r13)" : : "r"(value), "r"(entry) : "memory", "r13");
}

// Stores at any address, of several sizes.
inline void store_byte(void* place, std::uint64_t value) {
    asm volatile("mov %b0, (%1)" : : "q"(value), "r"(place) : "memory");
}
inline void store_word(void* place, std::uint64_t value) {
    asm volatile("mov %w0, (%1)" : : "r"(value), "r"(place) : "memory");
}
inline void store_quad(void* place, std::uint64_t value) {
    asm volatile("mov %0, (%1)" : : "r"(value), "r"(place) : "memory");
}
inline void exchange_long(void* place, std::uint64_t value) {
    asm volatile("xchg %k0, (%1)" : "+r"(value) : "r"(place) : "memory");
}
inline void or_quad(void* place, std::uint64_t value) {
    asm volatile("lock or %0, (%1)" : : "r"(value), "r"(place) : "memory");
}
inline void complement_bit(void* place, std::uint64_t bit) {
    asm volatile("lock btc %0, (%1)" : : "r"(bit & 63), "r"(place) : "memory");
}

} // namespace lib
