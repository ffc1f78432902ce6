#include "domain/flush_clock.hpp"

#include "arch/cpu.hpp"

namespace domain {

void FlushClock::flush_here() {
    auto const begun = clock_.begin_flush();
    arch::flush_tlb();
    cpus_[arch::this_cpu().raw()].kernel_pages.forget();
    clock_.end_flush(arch::this_cpu(), begun);
    cpus_[arch::this_cpu().raw()].requests.fetch_and(~std::uint32_t{domain::request_flush}, std::memory_order_relaxed);
}

void FlushClock::request_flush(std::uint32_t cpu) {
    // Sequentially consistent, as is the read of in_guest after it: see cpu.hpp.
    cpus_[cpu].requests.fetch_or(domain::request_flush, std::memory_order_seq_cst);
    if (cpus_[cpu].in_guest.load(std::memory_order_seq_cst))
        arch::kick(base::CpuId{cpu});
}

void FlushClock::ask(shadow_pt::Stamp stamp) {
    auto const self = arch::this_cpu().raw();
    clock_.behind(stamp).for_each([&](std::size_t cpu) {
        if (cpu == self) {
            flush_here();
            return;
        }
        request_flush(static_cast<std::uint32_t>(cpu));
        arch::kick(base::CpuId{static_cast<std::uint32_t>(cpu)}); // an idle CPU, too
    });
}

void FlushClock::flush(shadow_pt::CpuSet const& cpus) {
    auto const self = arch::this_cpu().raw();
    cpus.for_each([&](std::size_t cpu) {
        if (cpu != self)
            request_flush(static_cast<std::uint32_t>(cpu));
    });
    if (cpus.test(self))
        flush_here();
    cpus.for_each([&](std::size_t index) {
        Cpu const& cpu = cpus_[index];
        while (index != self && cpu.in_guest.load(std::memory_order_seq_cst) &&
               (cpu.requests.load(std::memory_order_acquire) & domain::request_flush) != 0)
            arch::relax();
    });
}

} // namespace domain
