#include "domain/roots.hpp"

#include <utility>

#include "domain/domain.hpp"

namespace domain {
namespace {

using base::Status;

/// True if @p vcpu's state is on this CPU: then the root pages of this CPU are copies of its roots.
bool live_here(Vcpu const& vcpu) { return vcpu.domain.system.this_cpu().current.load() == &vcpu; }

void install(Vcpu& vcpu, arch::Root root, base::Mfn shadow) {
    if (!live_here(vcpu))
        return;
    arch::install_root(root, shadow);
    vcpu.domain.system.this_cpu().kernel_pages.forget();
    bool const in_use = (root == arch::Root::kernel) == vcpu.in_kernel();
    if (in_use)
        arch::use_root(root);
}

/// Releasing a root may be preempted; it is remembered until it is done, since its owner has moved on.
Status release(Vcpu& vcpu, shadow_pt::Root const& tables) {
    Status const status = vcpu.domain.paging.release_root(tables);
    vcpu.leaving_root = status ? shadow_pt::Root{} : tables;
    return status;
}

} // namespace

Status set_root(Vcpu& vcpu, arch::Root root, base::Gfn gfn) {
    auto& paging = vcpu.domain.paging;
    Vcpu::Root& slot = root == arch::Root::kernel ? vcpu.kernel_root : vcpu.user_root;
    if (vcpu.leaving_root.valid()) // a call that was preempted in the middle, and now made again
        TRY(release(vcpu, vcpu.leaving_root));
    if (slot.valid() && slot.gfn == gfn) {
        install(vcpu, root, slot.tables.shadow); // it flushes, as any load of a base pointer does
        return {};
    }
    Vcpu::Root fresh{};
    if (gfn.valid())
        fresh = Vcpu::Root{.gfn = gfn, .tables = TRY(paging.acquire_root(gfn))};
    Vcpu::Root const old = std::exchange(slot, fresh);
    vcpu.tracked_roots[root == arch::Root::kernel ? 0 : 1].store(fresh.valid() ? fresh.tables.table.raw() : 0,
                                                                 std::memory_order_release);
    install(vcpu, root, fresh.tables.shadow);
    if (old.valid())
        TRY(release(vcpu, old.tables));
    return {};
}

} // namespace domain
