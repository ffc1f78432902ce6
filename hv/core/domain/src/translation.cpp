#include "domain/translation.hpp"

#include "arch/cpu.hpp"

namespace domain {

shadow_pt::CpuSet cpus_running(Domain& domain, shadow_pt::VcpuSet const& vcpus) {
    shadow_pt::CpuSet running;
    auto const online = arch::online_cpus();
    for (std::uint32_t cpu = 0; cpu < online; ++cpu) {
        // A CPU that makes one of them current after this look flushes after that (guest/run.cpp).
        Vcpu const* const current = domain.system.cpus[cpu].current.load(std::memory_order_seq_cst);
        if (current != nullptr && &current->domain == &domain && vcpus.test(current->id.raw()))
            running.set(cpu);
    }
    return running;
}

void pay(Domain& domain, shadow_pt::FlushDebt& debt) {
    if (debt.empty())
        return;
    auto const owed = debt.take();
    auto& flushes = domain.system.flush_clock;
    shadow_pt::CpuSet remote;
    if (!owed.remote.nothing())
        remote = cpus_running(domain, owed.vcpus);

    // What the others flush is all: a page each is not worth a queue of pages between CPUs.
    auto const self = arch::this_cpu().raw();
    bool const here = remote.test(self);
    remote.clear(self);
    if (owed.local.all() || (here && owed.remote.all()))
        flushes.flush_here();
    else {
        domain.system.this_cpu().kernel_pages.forget();
        for (auto const page : owed.local.pages())
            arch::flush_page(page);
        if (here)
            for (auto const page : owed.remote.pages())
                arch::flush_page(page);
    }
    if (!remote.none())
        flushes.flush(remote);
}

} // namespace domain
