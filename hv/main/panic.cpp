#include "panic.hpp"

#include <atomic>

#include "arch/cpu.hpp"
#include "backtrace.hpp"
#include "console/global.hpp"
#include "x86/control.hpp"
#include "x86/interrupts.hpp"
#include "x86/power.hpp"

namespace {

void (*hook)() = nullptr;

std::atomic<bool> panicking{false};
std::atomic<std::uint32_t> panicking_cpu{0};
enum class Stage : std::uint8_t { said_nothing, told_registers, asked_hook, done };
Stage stage = Stage::said_nothing;

void print_registers(arch::Registers const& at) {
    console::always("  rip {:016x} {}", at.rip, symbol_at(at.rip));
    console::always("  rsp {:016x} rflags {:08x} cs {:04x} ss {:04x}", at.rsp, at.rflags, at.cs, at.ss);
    console::always("  vector {} error code {:#x} cr2 {:016x} cr3 {:016x}", at.vector, at.error_code, x86::read_cr2(),
                    x86::read_cr3());
    console::always("  rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}", at.rax, at.rbx, at.rcx, at.rdx);
    console::always("  rsi {:016x} rdi {:016x} rbp {:016x} r8  {:016x}", at.rsi, at.rdi, at.rbp, at.r8);
    console::always("  r9  {:016x} r10 {:016x} r11 {:016x} r12 {:016x}", at.r9, at.r10, at.r11, at.r12);
    console::always("  r13 {:016x} r14 {:016x} r15 {:016x}", at.r13, at.r14, at.r15);
}

} // namespace

void panic(std::string_view what, arch::Registers const* frame) {
    x86::disable_interrupts();
    auto const cpu = arch::this_cpu().raw();
    if (panicking.exchange(true) && panicking_cpu.load() != cpu)
        x86::stop(); // another was first
    panicking_cpu.store(cpu);
    console::the_console.break_lock();

    // A second panic of the same CPU: what failed is skipped.
    auto const from = stage;
    if (from == Stage::said_nothing) {
        stage = Stage::told_registers;
        x86::stop_other_cpus();
        console::always("");
        console::always("PANIC on c{}: {}", cpu, what);
        if (frame != nullptr)
            print_registers(*frame);
        print_backtrace(frame);
    } else {
        console::always("another panic while at it: {}", what);
        if (frame != nullptr)
            console::always("  rip {:016x} {}", frame->rip, symbol_at(frame->rip));
    }
    if (from < Stage::asked_hook) {
        stage = Stage::asked_hook;
        if (hook != nullptr)
            hook();
    }
    stage = Stage::done;
    x86::finish(x86::Verdict::panic);
}

void set_panic_hook(void (*say)()) { hook = say; }

namespace x86 {

void on_hypervisor_fault(arch::Registers const& frame) {
    static constexpr std::string_view kNames[] = {
        "divide error",   "debug trap",         "NMI",          "breakpoint",   "overflow",    "bound range",
        "invalid opcode", "no x87 here",        "double fault", "x87 overrun",  "invalid TSS", "segment not present",
        "stack fault",    "general protection", "page fault",   "exception 15", "x87 error",   "alignment check",
        "machine check",  "SIMD error",
    };
    constexpr std::size_t kNamed = sizeof kNames / sizeof kNames[0];
    panic(frame.vector < kNamed ? kNames[frame.vector] : std::string_view{"exception"}, &frame);
}

} // namespace x86
