/// The registers of the floating-point unit, of SSE and of AVX. Guests are compiled without them: what stands in them stays.
#pragma once

#include <cstdint>

namespace lib {

struct alignas(64) Vectors {
    std::uint64_t words[16][4]; ///< a register each; SSE's are the first half

    void fill(std::uint64_t seed) {
        for (auto& one : words)
            for (auto& word : one)
                word = seed = seed * 6364136223846793005 + 1442695040888963407;
    }
};

#define EACH_REGISTER(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD_XMM(n) asm volatile("movdqa %0, %%xmm" #n : : "m"(from.words[n]));
#define STORE_XMM(n) asm volatile("movdqa %%xmm" #n ", %0" : "=m"(to.words[n]));
#define LOAD_YMM(n) asm volatile("vmovdqa %0, %%ymm" #n : : "m"(from.words[n]));
#define STORE_YMM(n) asm volatile("vmovdqa %%ymm" #n ", %0" : "=m"(to.words[n]));
inline void load_xmm(Vectors const& from) { EACH_REGISTER(LOAD_XMM) }
inline void store_xmm(Vectors& to) { EACH_REGISTER(STORE_XMM) }
inline void load_ymm(Vectors const& from) { EACH_REGISTER(LOAD_YMM) }
inline void store_ymm(Vectors& to) { EACH_REGISTER(STORE_YMM) }
#undef EACH_REGISTER
#undef LOAD_XMM
#undef STORE_XMM
#undef LOAD_YMM
#undef STORE_YMM
inline void use_sse() { asm volatile("movups %xmm0, %xmm1"); }

inline std::uint32_t mxcsr() {
    std::uint32_t value;
    asm volatile("stmxcsr %0" : "=m"(value));
    return value;
}
inline void set_mxcsr(std::uint32_t value) { asm volatile("ldmxcsr %0" : : "m"(value)); }
inline std::uint16_t x87_control() {
    std::uint16_t value;
    asm volatile("fnstcw %0" : "=m"(value));
    return value;
}
inline void set_x87_control(std::uint16_t value) { asm volatile("fldcw %0" : : "m"(value)); }
inline void push_one() { asm volatile("fld1"); }
inline void push_log2_e() { asm volatile("fldl2e"); }
/// Pops the top of the floating-point stack; the bits of a double.
inline std::uint64_t pop_double() {
    std::uint64_t bits;
    asm volatile("fstpl %0" : "=m"(bits));
    return bits;
}
/// One divided by zero, and an instruction that waits for what comes of it.
inline void x87_divide_by_zero() { asm volatile("fld1\n\tfldz\n\tfdivrp\n\tfwait"); }

} // namespace lib
