#include "x86/clock.hpp"

#include <algorithm>
#include <array>

#include "arch/cpu.hpp"
#include "x86/address_space.hpp"
#include "x86/control.hpp"
#include "x86/features.hpp"
#include "x86/legacy.hpp"
#include "x86/port.hpp"

namespace x86 {

namespace {

std::uint64_t khz = 0;

constexpr std::uint32_t kMicroseconds = 5'000; ///< of one measurement

/// HPET registers, as 64-bit words (IA-PC HPET specification 1.0a, §2.3.1).
struct HpetRegisters {
    std::uint64_t volatile capabilities; ///< bits 63..32: femtoseconds a tick
    std::uint64_t unused1;
    std::uint64_t volatile configuration; ///< bit 0: running
    std::uint64_t unused2[27];
    std::uint64_t volatile counter;
};

/// TSC ticks while the HPET counts @p microseconds; nothing if it does not count.
std::optional<std::uint64_t> tsc_ticks_by_hpet(HpetRegisters& hpet, std::uint32_t microseconds) {
    auto const femtoseconds = hpet.capabilities >> 32;
    constexpr std::uint64_t kSlowest = 100'000'000; // by its specification
    if (femtoseconds == 0 || femtoseconds > kSlowest)
        return std::nullopt;
    auto const was = hpet.configuration;
    hpet.configuration = was | 1;
    auto const wanted = static_cast<std::uint32_t>(microseconds * std::uint64_t{1'000'000'000} / femtoseconds);

    auto const start = static_cast<std::uint32_t>(hpet.counter);
    auto const tsc_start = read_tsc_now();
    constexpr std::uint64_t kPatience = 20'000'000'000; // ticks of any TSC: seconds
    std::uint32_t passed = 0;
    std::uint64_t tsc_end = tsc_start;
    while (passed < wanted) {
        passed = static_cast<std::uint32_t>(hpet.counter) - start; // 32 bits count in any HPET
        tsc_end = read_tsc_now();
        if (passed == 0 && tsc_end - tsc_start > kPatience)
            return std::nullopt;
    }
    hpet.configuration = was;
    // The counter may have run past what was wanted.
    return (tsc_end - tsc_start) * wanted / passed;
}

/// By the HPET if there is one and it counts, else by the 8254; as often as it takes.
std::uint64_t measure(HpetRegisters* hpet) {
    auto ticks = hpet != nullptr ? tsc_ticks_by_hpet(*hpet, kMicroseconds) : std::nullopt;
    while (!ticks)
        ticks = tsc_ticks_by_pit(kMicroseconds);
    return *ticks;
}

} // namespace

void calibrate_tsc(std::optional<base::Maddr> hpet) {
    HpetRegisters* registers = nullptr;
    if (hpet)
        registers = static_cast<HpetRegisters*>(const_cast<void*>(map_device(*hpet, sizeof(HpetRegisters))));

    // The middle of several: an emulator may take the CPU away in the midst of one.
    std::array<std::uint64_t, 5> ticks;
    for (auto& one : ticks)
        one = measure(registers);
    std::sort(ticks.begin(), ticks.end());
    khz = ticks[ticks.size() / 2] * 1000 / kMicroseconds;
}

void delay_microseconds(std::uint32_t microseconds) {
    auto const end = read_tsc_now() + khz * microseconds / 1000;
    while (read_tsc_now() < end)
        pause();
}

} // namespace x86

namespace arch {

std::uint64_t read_tsc() { return x86::read_tsc_now(); }
std::uint64_t tsc_khz() { return x86::khz; }
bool tsc_stable() { return x86::features().stable_tsc; }
void relax() { x86::pause(); }
void wait_for_interrupt() { x86::wait_with_interrupts(); }

} // namespace arch
