/// Instructions on a guest's behalf, and where the direct map is.
#include "arch/cpu.hpp"
#include "base/assert.hpp"
#include "x86/address_map.hpp"
#include "x86/control.hpp"
#include "x86/cpuid.hpp"
#include "x86/msr.hpp"
#include "x86/port.hpp"

namespace arch {

std::byte* direct_map(base::Mfn frame) {
    return reinterpret_cast<std::byte*>(x86::kDirectMap.raw() + (frame.raw() << base::kPageShift));
}

CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf) { return x86::cpuid(leaf, subleaf); }
std::optional<std::uint64_t> read_msr(std::uint32_t msr) { return x86::rdmsr_safe(msr); }
bool write_msr(std::uint32_t msr, std::uint64_t value) { return x86::wrmsr_safe(msr, value); }
void write_back_caches() { x86::write_back_and_invalidate(); }

std::uint32_t port_in(std::uint16_t port, unsigned bytes) {
    ASSERT(bytes == 1 || bytes == 2 || bytes == 4);
    return bytes == 1 ? x86::in8(port) : bytes == 2 ? x86::in16(port) : x86::in32(port);
}

void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) {
    ASSERT(bytes == 1 || bytes == 2 || bytes == 4);
    if (bytes == 1)
        x86::out8(port, static_cast<std::uint8_t>(value));
    else if (bytes == 2)
        x86::out16(port, static_cast<std::uint16_t>(value));
    else
        x86::out32(port, value);
}

} // namespace arch
