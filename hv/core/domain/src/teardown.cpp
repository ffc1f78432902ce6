#include "domain/teardown.hpp"
#include "domain/claim.hpp"

#include <utility>

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "domain/descriptors.hpp"
#include "domain/lifecycle.hpp"
#include "domain/memory.hpp"
#include "domain/preemption.hpp"
#include "domain/roots.hpp"
#include "domain/running.hpp"
#include "domain/timers.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Status;

/// Waits until every other CPU has been outside of the hypervisor, or at its door, since this began: by then nobody has a
/// pointer that was found before. This CPU has none but the caller's, and says so: two that wait do not wait for each other.
void wait_for_all_cpus(System& system) {
    auto& self = system.this_cpu();
    self.holds_nothing.store(true, std::memory_order_seq_cst);
    for (std::uint32_t number = 0; number < arch::online_cpus(); ++number) {
        Cpu const& cpu = system.cpus[number];
        auto const passes = cpu.passes.load(std::memory_order_seq_cst);
        while (&cpu != &self && !cpu.in_guest.load(std::memory_order_seq_cst) &&
               !cpu.holds_nothing.load(std::memory_order_seq_cst) &&
               cpu.passes.load(std::memory_order_seq_cst) == passes)
            arch::relax();
    }
    self.holds_nothing.store(false, std::memory_order_seq_cst);
}

Status die(Domain& domain) {
    if (!domain.dying.exchange(true, std::memory_order_seq_cst)) {
        pause(domain);
        domain.events.retire();
        domain.grants.with([](grants::Grants& both) { both.table.begin_dying(); });
        static_cast<void>(domain.system.allocator.claim(domain.id, 0)); // it gets nothing more
    }
    for (Vcpu const* const vcpu : domain.vcpus)
        if (!vcpu->entity.off())
            return Err{Error::preempted};
    wait_for_all_cpus(domain.system); // who found it before has done with it
    return {};
}

Status detach(Domain& domain) {
    {
        Claim const log{domain.log_dirty.busy};
        if (!log)
            return Err{Error::preempted};
        stop_log_dirty(domain);
    }
    domain.watchdogs.stop_all();
    for (Vcpu* const vcpu : domain.vcpus)
        TRY(detach(*vcpu));
    if (domain.ends_frame.valid())
        domain.paging.unhold(std::exchange(domain.ends_frame, base::Mfn{}), shadow_pt::Use::writable);
    for (std::uint32_t port = 1; port < domain.events.limit().raw(); ++port)
        static_cast<void>(domain.events.close(base::Port{port})); // a free port has nothing to close
    domain.system.interrupts.unmap_all(domain.events);
    return {};
}

/// What is taken out of the map, but is still to be undone as a table.
Status relinquish_taken(Domain& domain) {
    auto& teardown = domain.teardown;
    for (; teardown.count != 0; --teardown.count) {
        auto& frame = teardown.taken[teardown.count - 1];
        TRY(domain.paging.relinquish(frame.mfn()));
        frame.reset();
    }
    return {};
}

Status free_memory(Domain& domain) {
    auto& teardown = domain.teardown;
    for (;;) {
        TRY(relinquish_taken(domain));
        auto const status =
            domain.gfns.clear_all(teardown.cursor, Teardown::kBatch, [&](base::Gfn, mm::FrameRef frame) {
                teardown.taken[teardown.count++] = std::move(frame); // a batch looks at no more
            });
        TRY(relinquish_taken(domain));
        if (status)
            break;
        if (slice_is_over(domain.system))
            return Err{Error::preempted};
    }
    TRY(domain.paging.settle());
    return domain.gfns.destroy(Teardown::kBatch);
}

bool is_held(Domain& domain) {
    return domain.grants.with([](grants::Grants& both) { return both.table.in_use() != 0; });
}

/// Nobody finds it any more; @p domain's id is free.
void bury(Domain& domain) {
    auto& system = domain.system;
    auto const id = domain.id;
    system.lingering.fetch_sub(1, std::memory_order_relaxed);
    wait_for_all_cpus(system);
    destroy(domain);
    console::info("{} is gone", id);
    tell_of_end(system);
}

} // namespace

Status detach(Vcpu& vcpu) {
    for (timing::Timer* const timer : {&vcpu.singleshot, &vcpu.periodic, &vcpu.poll_timeout})
        timer->stop();
    TRY(set_root(vcpu, arch::Root::kernel, base::Gfn{}));
    TRY(set_root(vcpu, arch::Root::user, base::Gfn{}));
    drop_descriptors(vcpu);
    if (vcpu.info_frame.valid())
        vcpu.domain.paging.unhold(std::exchange(vcpu.info_frame, base::Mfn{}), shadow_pt::Use::writable);
    return {};
}

Status tear_down(Domain& domain, ReleaseGrants release_grants) {
    auto& step = domain.teardown.step;
    auto const done = [&](Status const& status, Teardown::Step next) {
        if (status)
            step = next;
        return status;
    };
    using enum Teardown::Step;
    Claim const claim{domain.teardown.busy};
    if (!claim)
        return Err{Error::preempted};
    Status status{};
    if (step == alive)
        status = done(die(domain), dead);
    if (status && step == dead)
        status = done(detach(domain), detached);
    if (status && step == detached)
        status = done(release_grants(domain), released);
    if (status && step == released) {
        status = done(free_memory(domain), empty);
        if (status) {
            domain.system.lingering.fetch_add(1, std::memory_order_relaxed);
            tell_of_end(domain.system);
        }
    }
    return status;
}

void bury_the_dead(System& system) {
    if (system.lingering.load(std::memory_order_relaxed) == 0)
        return;
    for (auto& slot : system.domains) {
        Domain* found = slot.load(std::memory_order_acquire);
        if (found == nullptr || !found->dying.load(std::memory_order_seq_cst) ||
            found->teardown.step != Teardown::Step::empty || is_held(*found))
            continue;
        if (slot.compare_exchange_strong(found, nullptr, std::memory_order_seq_cst)) // of two CPUs one buries it
            bury(*found);
    }
}

} // namespace domain
