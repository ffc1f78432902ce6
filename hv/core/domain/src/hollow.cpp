#include "domain/hollow.hpp"

#include <utility>

#include "domain/claim.hpp"
#include "domain/preemption.hpp"
#include "domain/running.hpp"
#include "domain/teardown.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Status;

Status take_context(Vcpu& vcpu) {
    if (vcpu.entity.runstate().up_to(vcpu.domain.system.now()).time[RUNSTATE_running] != 0)
        return Err{Error::invalid};
    if (!vcpu.initialised.load(std::memory_order_acquire))
        return {};
    Claim const claim{vcpu.claimed};
    if (!claim || !vcpu.entity.off())
        return Err{Error::preempted};
    keep_down(vcpu);
    TRY(detach(vcpu));
    vcpu.initialised.store(false, std::memory_order_release);
    return {};
}

} // namespace

Status hollow_out(Domain& domain, Gfn& cursor) {
    if (domain.pauses.load(std::memory_order_seq_cst) == 0)
        return Err{Error::busy};
    for (Vcpu* const vcpu : domain.vcpus)
        TRY(take_context(*vcpu));
    for (auto const end = domain.gfns.limit(); cursor < end; cursor = cursor + 1) {
        if (auto const frame = domain.gfns.get(cursor))
            TRY(domain.paging.relinquish(frame.value().mfn()));
        if (cursor.raw() % 64 == 63 && slice_is_over(domain.system)) {
            cursor = cursor + 1;
            return Err{Error::preempted};
        }
    }
    return domain.paging.settle();
}

Status swap_frames(Domain& domain, Gfn one, Gfn other) {
    if (domain.pauses.load(std::memory_order_seq_cst) == 0)
        return Err{Error::busy};
    for (Vcpu const* const vcpu : domain.vcpus)
        if (vcpu->initialised.load(std::memory_order_acquire))
            return Err{Error::busy};
    if (one == other)
        return {};
    auto first = TRY(domain.gfns.clear(one));
    auto second = domain.gfns.clear(other);
    if (!second) {
        static_cast<void>(domain.gfns.set(one, std::move(first)));
        return Err{Error::not_found};
    }
    // Tables that hold by these numbers alone would hold others hereafter.
    if (domain.paging.bare_tables() != 0) {
        static_cast<void>(domain.gfns.set(one, std::move(first)));
        static_cast<void>(domain.gfns.set(other, std::move(second).value()));
        return Err{Error::busy};
    }
    domain.gfns.forget(one, first.mfn());
    domain.gfns.forget(other, second.value().mfn());
    // Both numbers have their places in the map already: this cannot fail but by a toolstack that fills one at this moment, and
    // then what was there is lost, as by any two who give a domain memory at once.
    static_cast<void>(domain.gfns.set(one, std::move(second).value()));
    static_cast<void>(domain.gfns.set(other, std::move(first)));
    for (Gfn const gfn : {one, other}) {
        domain.log.mark(gfn);
        domain.log.tell_table(gfn); // if it is one
    }
    return {};
}

} // namespace domain
