#include "domain/preemption.hpp"

#include "arch/cpu.hpp"
#include "domain/domain.hpp"

namespace domain {

void start_slice(Vcpu& vcpu) { vcpu.domain.system.this_cpu().slice_start = arch::read_tsc(); }

bool slice_is_over(System& system) {
    std::uint64_t const slice = arch::tsc_khz() * kHypercallSliceMicroseconds / 1000;
    return arch::read_tsc() - system.this_cpu().slice_start > slice;
}

bool should_yield(Vcpu& vcpu) { return slice_is_over(vcpu.domain.system); }

} // namespace domain
