/// The other CPUs, by INIT and SIPI (SDM vol. 3A §8.4), one after the other.
#include "x86/cpu_start.hpp"

#include <atomic>
#include <cstring>

#include "arch/cpu.hpp"
#include "x86/address_space.hpp"
#include "x86/clock.hpp"
#include "x86/control.hpp"
#include "x86/cpu.hpp"
#include "x86/local_apic.hpp"
#include "x86/roots.hpp"

extern "C" {
extern char const trampoline[], trampoline_end[], trampoline_cr3[], trampoline_gdt_address[], trampoline_far_address[];
std::uint64_t starting_cpu_root;
[[noreturn]] void on_cpu_start();
}

namespace x86 {

namespace {

std::atomic<std::uint32_t> online{1};
void (*run)() = nullptr;

/// Adds @p value to the 32-bit word that @p symbol names, in the copy of the trampoline.
void fill_in(std::byte* copy, char const* symbol, std::uint32_t value) {
    std::byte* const word = copy + (symbol - trampoline);
    std::uint32_t blank;
    std::memcpy(&blank, word, sizeof blank);
    blank += value;
    std::memcpy(word, &blank, sizeof blank);
}

/// What the trampoline runs on: the image, and itself where it is.
base::Mfn make_trampoline_root(base::Mfn code, TableSource low_frame) {
    PageTableBuilder builder{low_frame(), low_frame, 2};
    fill_hypervisor_slots(builder.root(), pattern_image_slot());
    base::Maddr const at = address_of(code);
    builder.map(base::Vaddr{at.raw()}, at, base::kPageSize, Rights::execute);
    return builder.root();
}

void copy_trampoline(base::Mfn to, base::Mfn root) {
    auto* const copy = arch::direct_map(to);
    auto const address = static_cast<std::uint32_t>(to.raw() << base::kPageShift);
    std::memcpy(copy, trampoline, static_cast<std::size_t>(trampoline_end - trampoline));
    fill_in(copy, trampoline_gdt_address, address);
    fill_in(copy, trampoline_far_address, address);
    fill_in(copy, trampoline_cr3, static_cast<std::uint32_t>(root.raw() << base::kPageShift));
}

/// Waits until @p cpu is there; false after @p microseconds.
bool answers(std::uint32_t cpu, std::uint32_t microseconds) {
    constexpr std::uint32_t kStep = 20;
    for (std::uint32_t waited = 0; waited < microseconds; waited += kStep) {
        if (online.load(std::memory_order_acquire) > cpu)
            return true;
        delay_microseconds(kStep);
    }
    return false;
}

bool start(base::CpuId cpu, base::Mfn code) {
    auto const apic_id = apic_id_of(cpu);
    starting_cpu_root = root_without_pcid(cpu);
    send_init(apic_id);
    delay_microseconds(10'000);
    send_startup(apic_id, code);
    if (answers(cpu.raw(), 200))
        return true;
    send_startup(apic_id, code); // a first one may be missed
    return answers(cpu.raw(), 1'000'000);
}

} // namespace

std::uint32_t start_other_cpus(std::uint32_t count, base::Mfn code, TableSource low_frame, void (*next)()) {
    run = next;
    copy_trampoline(code, make_trampoline_root(code, low_frame));
    for (std::uint32_t cpu = 1; cpu < count && start(base::CpuId{cpu}, code);)
        ++cpu;
    return arch::online_cpus();
}

} // namespace x86

void on_cpu_start() {
    using namespace x86;
    initialise_this_cpu();
    start_local_apic();
    online.fetch_add(1, std::memory_order_release);
    run();
    __builtin_unreachable();
}

namespace arch {

std::uint32_t online_cpus() { return x86::online.load(std::memory_order_acquire); }

} // namespace arch
