#include "x86/local_apic.hpp"

#include "arch/cpu.hpp"
#include "x86/address_space.hpp"
#include "x86/clock.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/cpu_start.hpp"
#include "x86/features.hpp"
#include "x86/msr.hpp"
#include "x86/vectors.hpp"

namespace x86 {

namespace {

/// By offset in memory; in x2APIC mode MSR 0x800 + offset / 16 (SDM vol. 3A, tables 11-1 and 11-6).
enum class Register : std::uint32_t {
    id = 0x20,
    task_priority = 0x80,
    end_of_interrupt = 0xb0,
    spurious = 0xf0,
    error = 0x280,
    command = 0x300,
    command_high = 0x310,
    timer_entry = 0x320,
    lint0_entry = 0x350,
    lint1_entry = 0x360,
    error_entry = 0x370,
    timer_initial = 0x380,
    timer_current = 0x390,
    timer_divide = 0x3e0,
};

constexpr std::uint32_t kMasked = 1U << 16;
constexpr std::uint32_t kDeliverNmi = 4U << 8;
constexpr std::uint32_t kTimerByDeadline = 2U << 17;
constexpr std::uint32_t kApicEnabled = 1U << 8;
constexpr std::uint32_t kDivideBy16 = 3;

/// The interrupt command.
constexpr std::uint32_t kCommandNmi = 4U << 8;
constexpr std::uint32_t kCommandInit = 5U << 8;
constexpr std::uint32_t kCommandStartup = 6U << 8;
constexpr std::uint32_t kCommandAssert = 1U << 14;
constexpr std::uint32_t kCommandPending = 1U << 12;
constexpr std::uint32_t kCommandAllOthers = 3U << 18;

constexpr std::uint64_t kBaseEnabled = 1U << 11;
constexpr std::uint64_t kBaseX2 = 1U << 10;

constexpr std::uint64_t kNever = ~std::uint64_t{0};

std::uint8_t volatile* registers = nullptr;
bool by_msr = false;
NmiPin nmi_pin = NmiPin::none;
std::uint64_t ticks_per_second = 0; ///< of the one-shot timer, after its divider

Msr msr_of(Register which) {
    return static_cast<Msr>(static_cast<std::uint32_t>(Msr::x2apic) + static_cast<std::uint32_t>(which) / 16);
}

std::uint32_t volatile& memory_of(Register which) {
    return *reinterpret_cast<std::uint32_t volatile*>(registers + static_cast<std::uint32_t>(which));
}

std::uint32_t read(Register which) {
    return by_msr ? static_cast<std::uint32_t>(rdmsr(msr_of(which))) : memory_of(which);
}

void write(Register which, std::uint32_t value) {
    if (by_msr)
        wrmsr(msr_of(which), value);
    else
        memory_of(which) = value;
}

void command(std::uint32_t apic_id, std::uint32_t what) {
    if (by_msr) {
        memory_fence(); // writing the MSR waits for nothing: what we stored must be seen by who is interrupted
        wrmsr(msr_of(Register::command), std::uint64_t{apic_id} << 32 | what);
        return;
    }
    write(Register::command_high, apic_id << 24);
    write(Register::command, what);
    while ((read(Register::command) & kCommandPending) != 0)
        pause();
}

/// Arms the one-shot timer for @p deadline, or for as long as it can count.
void arm(std::uint64_t deadline) {
    if (features().tsc_deadline) {
        // 0 would switch it off; the past fires at once.
        wrmsr(Msr::tsc_deadline, deadline == kNever ? 0 : deadline == 0 ? 1 : deadline);
        return;
    }
    if (deadline == kNever)
        return write(Register::timer_initial, 0);
    auto const now = read_tsc_now();
    auto const left = deadline > now ? deadline - now : 0;
    constexpr std::uint64_t kLongest = 0xffff'ffff;
    auto const longest_tsc = kLongest / (ticks_per_second / 1000 + 1) * arch::tsc_khz();
    auto const ticks = left >= longest_tsc ? kLongest : left * (ticks_per_second / 1000) / arch::tsc_khz() + 1;
    write(Register::timer_initial, static_cast<std::uint32_t>(ticks < kLongest ? ticks : kLongest));
}

} // namespace

void find_local_apic(base::Maddr at, NmiPin nmi) {
    nmi_pin = nmi;
    // Firmware may have left x2APIC on, and there is no way back without a reset.
    by_msr = features().x2apic || (rdmsr(Msr::apic_base) & kBaseX2) != 0;
    if (!by_msr)
        registers = static_cast<std::uint8_t volatile*>(map_device(at, base::kPageSize));
}

void start_local_apic() {
    auto const base = rdmsr(Msr::apic_base) | kBaseEnabled;
    wrmsr(Msr::apic_base, base);
    if (by_msr)
        wrmsr(Msr::apic_base, base | kBaseX2);

    write(Register::task_priority, 0);
    write(Register::lint0_entry, nmi_pin == NmiPin::lint0 ? kDeliverNmi : kMasked);
    write(Register::lint1_entry, nmi_pin == NmiPin::lint1 ? kDeliverNmi : kMasked);
    write(Register::error_entry, kApicError);
    write(Register::timer_divide, kDivideBy16);
    write(Register::timer_entry, features().tsc_deadline ? kTimer | kTimerByDeadline : std::uint32_t{kTimer});
    if (!by_msr)
        memory_fence(); // the timer's mode before the first deadline, which is an MSR
    write(Register::spurious, kApicEnabled | kSpurious);
    write(Register::error, 0);
    end_of_interrupt(); // one may be in service since before us
}

void calibrate_timer() {
    if (features().tsc_deadline)
        return;
    write(Register::timer_entry, kTimer | kMasked);
    constexpr std::uint32_t kStart = 0xffff'ffff;
    constexpr std::uint32_t kMicroseconds = 10'000;
    write(Register::timer_initial, kStart);
    delay_microseconds(kMicroseconds);
    auto const counted = kStart - read(Register::timer_current);
    write(Register::timer_initial, 0);
    write(Register::timer_entry, kTimer);
    ticks_per_second = std::uint64_t{counted} * (1'000'000 / kMicroseconds);
}

std::uint32_t local_apic_id() { return by_msr ? read(Register::id) : read(Register::id) >> 24; }
void end_of_interrupt() { write(Register::end_of_interrupt, 0); }
void send_interrupt(std::uint32_t apic_id, std::uint32_t vector) { command(apic_id, kCommandAssert | vector); }
void send_nmi_to_others() { command(0, kCommandAllOthers | kCommandAssert | kCommandNmi); }
void send_init(std::uint32_t apic_id) { command(apic_id, kCommandAssert | kCommandInit); }
void send_startup(std::uint32_t apic_id, base::Mfn code) {
    command(apic_id, kCommandAssert | kCommandStartup | static_cast<std::uint32_t>(code.raw()));
}

bool timer_due() {
    auto& deadline = cpu_area.data.timer;
    if (deadline == kNever)
        return false;
    if (read_tsc_now() < deadline) {
        arm(deadline);
        return false;
    }
    deadline = kNever;
    return true;
}

} // namespace x86

namespace arch {

void set_timer(std::uint64_t tsc) {
    x86::cpu_area.data.timer = tsc;
    x86::arm(tsc);
}

/// Also to itself: it comes once interrupts are on.
void kick(base::CpuId cpu) { x86::send_interrupt(x86::apic_id_of(cpu), x86::kKick); }

} // namespace arch
