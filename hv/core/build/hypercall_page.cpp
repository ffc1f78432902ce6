#include "build/hypercall_page.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "abi/xen.hpp"

namespace build {

namespace {

constexpr std::size_t kStubSize = 32;

//   push %rcx; push %r11; mov $number,%eax; syscall; pop %r11; pop %rcx; ret
constexpr std::array<unsigned char, 14> kStub{0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
constexpr std::size_t kStubNumber = 4;

// iret does not come back: the frame on the stack is complete once rax is there too.
//   push %rcx; push %r11; push %rax; mov $number,%eax; syscall
constexpr std::array<unsigned char, 11> kIretStub{0x51, 0x41, 0x53, 0x50, 0xb8, 0, 0, 0, 0, 0x0f, 0x05};
constexpr std::size_t kIretStubNumber = 5;

constexpr std::byte kTrap{0xcc}; ///< int3: what is not a stub is not to be run

template <std::size_t N>
void write_stub(std::byte* at, std::array<unsigned char, N> const& stub, std::size_t number_at, std::uint32_t number) {
    static_assert(N <= kStubSize);
    std::memcpy(at, stub.data(), stub.size());
    std::memcpy(at + number_at, &number, sizeof number);
}

} // namespace

void fill_hypercall_page(std::span<std::byte, base::kPageSize> page) {
    std::fill(page.begin(), page.end(), kTrap);
    for (std::uint32_t number = 0; number < page.size() / kStubSize; ++number) {
        auto* const at = page.data() + number * kStubSize;
        if (number == __HYPERVISOR_iret)
            write_stub(at, kIretStub, kIretStubNumber, number);
        else
            write_stub(at, kStub, kStubNumber, number);
    }
}

} // namespace build
