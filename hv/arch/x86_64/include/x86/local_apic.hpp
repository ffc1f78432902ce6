/// The local APIC, by memory (xAPIC) or by MSRs (x2APIC), and its timer.
#pragma once

#include <cstdint>

#include "base/frame.hpp"

namespace x86 {

/// Which of an APIC's two pins is wired as NMI.
enum class NmiPin : std::uint8_t { none, lint0, lint1 };

/// Chooses the mode and maps the registers at @p registers. Start of day, once.
void find_local_apic(base::Maddr registers, NmiPin nmi);

/// Switches this CPU's on, everything masked but what we use.
void start_local_apic();

/// Measures the timer against the TSC, where TSC deadlines cannot be had. Once, before the first arch::set_timer().
void calibrate_timer();

std::uint32_t local_apic_id();
void end_of_interrupt();
void send_interrupt(std::uint32_t apic_id, std::uint32_t vector);
void send_nmi_to_others();
void send_init(std::uint32_t apic_id);
void send_startup(std::uint32_t apic_id, base::Mfn code);

/// The timer interrupt came. True if what arch::set_timer() asked for is due; if not, the timer has been set again.
bool timer_due();

} // namespace x86
