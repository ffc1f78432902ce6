#include "x86/c_code.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "arch/cpu.hpp"
#include "base/frame.hpp"
#include "x86/address_space.hpp"
#include "x86/control.hpp"
#include "x86/extended_state.hpp"
#include "x86/msr.hpp"

extern "C" char const c_code[], c_code_end[]; // linker.ld

namespace x86 {

namespace {

/// What is expected at FS (System V ABI for AMD64, thread-local storage; the canary's place is GCC's).
struct ThreadBlock {
    std::array<std::uint64_t, 5> unused{};
    std::uint64_t canary = 0;
};
static_assert(offsetof(ThreadBlock, canary) == 0x28);

} // namespace

void run_c_code(base::FunctionRef<void()> work) {
    ThreadBlock block;
    block.canary = read_tsc_now() & ~std::uint64_t{0xff}; // a zero byte stops what copies strings
    wrmsr(Msr::fs_base, reinterpret_cast<std::uint64_t>(&block));
    start_extended_state(); // x87 and MXCSR as a process finds them; CR4.OSFXSR is always set, CR0.TS is the guest's
    work();
    start_extended_state(); // nothing of a kernel's bytes is left in a register
    wrmsr(Msr::fs_base, 0);
}

void expect_scattered_use(std::span<std::byte> memory) {
    auto const all = memory.size() >> base::kPageShift;
    for (std::size_t pages = 256; pages / 2 < all; pages *= 2) {
        for (std::size_t page = 0; page < std::min(pages, all); ++page)
            *static_cast<std::byte volatile*>(&memory[page << base::kPageShift]) = std::byte{0};
        arch::flush_tlb();
    }
}

void forget_c_code() { unmap_image(c_code, c_code_end); }

} // namespace x86
