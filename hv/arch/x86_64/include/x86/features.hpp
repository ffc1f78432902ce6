/// What this machine's CPUs can do, and of that, what the operator lets us use. All CPUs are taken to be alike.
#pragma once

#include <cstdint>

namespace x86 {

struct Features {
    bool smep = true; ///< the hypervisor never executes a guest's page
    bool smap = true; ///< nor reads or writes one by the guest's address
    bool umip = true; ///< ring 3 cannot see where the descriptor tables are
    bool pcid = true; ///< the two roots' translations are kept apart, so that CR3 loads need not flush
    bool invpcid = true;
    bool xsave = true;
    bool xsaveopt = true;
    bool x2apic = true;
    bool tsc_deadline = true;
    bool tsc_aux = true; ///< RDTSCP or RDPID
    bool fsgsbase = true;
    bool gigabyte_pages = true;
    bool stable_tsc = true; ///< one rate, in all states, on all CPUs
};

/// Finds out. Whatever is false in @p allowed stays false. Start of day, before any CPU is initialised.
void detect_features(Features const& allowed);

Features const& features();

/// True if ring 3 may read supervisor-only memory by speculation (Meltdown): the walls of our roots are soft (SP-30).
bool walls_are_soft();

} // namespace x86
