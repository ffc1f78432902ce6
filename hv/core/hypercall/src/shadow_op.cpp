// XEN_DOMCTL_shadow_op: a toolstack's view of log-dirty, with Xen's meaning (docs/abi.md §9.4, SP-22, SP-28). Shadows are always
// on here; what this switches is the log. And how many pages they may take (SP-10).

#include <algorithm>

#include "abi/toolstack.hpp"
#include "domain/claim.hpp"
#include "domain/log_dirty.hpp"
#include "hypercall/dirty_answer.hpp"
#include "hypercall/shadow_op.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;
using Step = domain::LogDirtyProgress::Step;

/// CLEAN and PEEK. Without a bitmap only the count is told, and as on Xen CLEAN cleans all the same.
Answer tell(Call& call, Domain& subject, xen_domctl_t& op, bool clean) {
    auto& request = op.u.shadow_op;
    auto& progress = subject.log_dirty;
    auto const pages = std::min<std::uint64_t>(request.pages, subject.gfns.limit().raw());
    if (!subject.log.on())
        return Err{Error::invalid};
    if (progress.step != Step::copying) {
        TRY(domain::collect_dirty(subject));
        progress.begin_copying();
    }
    auto const copied =
        copy_dirty(call, subject, {.pages = pages, .dirty = address_of(request.dirty_bitmap), .clean = clean});
    if (!copied.ok() && copied.error() == Error::preempted)
        return Err{Error::preempted};
    progress.step = Step::idle;
    domain::settle_dirty(subject);
    TRY(copied);
    request.pages = pages;
    request.stats = {.fault_count = static_cast<std::uint32_t>(progress.harvest.write_faults),
                     .dirty_count = static_cast<std::uint32_t>(progress.told_dirty)};
    TRY(call.write(0, op));
    return 0;
}

} // namespace

Answer shadow_op(Call& call, Domain& subject, xen_domctl_t& op) {
    if (&subject == &call.domain())
        return Err{Error::invalid};
    domain::Claim const claim{subject.log_dirty.busy};
    if (!claim)
        return Err{Error::preempted};
    auto& request = op.u.shadow_op;
    switch (request.op) {
    case XEN_DOMCTL_SHADOW_OP_OFF: domain::stop_log_dirty(subject); return 0;
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
        if (request.mode != XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY)
            return Err{Error::invalid};
        [[fallthrough]];
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY: TRY(domain::start_log_dirty(subject)); return 0;
    case XEN_DOMCTL_SHADOW_OP_CLEAN: return tell(call, subject, op, true);
    case XEN_DOMCTL_SHADOW_OP_PEEK: return tell(call, subject, op, false);
    default: return Err{Error::not_supported}; // sizes of a pool that is not Xen's, and modes that PV guests have not
    }
}

Answer get_shadow_pool(Call& call, Domain& subject, xen_domctl_t& op) {
    op.u.paging_mempool.size = subject.host.pool().size().limit << base::kPageShift;
    TRY(call.write(0, op));
    return 0;
}

Answer set_shadow_pool(Domain& subject, xen_domctl_t const& op) {
    auto const size = op.u.paging_mempool.size;
    auto const pages = size >> base::kPageShift;
    if (size % base::kPageSize != 0 || pages < domain::ShadowPool::least_for(subject.vcpus.size()))
        return Err{Error::invalid};
    subject.host.pool().set_limit(pages);
    auto const shed = subject.paging.shed(pages);
    if (!shed.ok() && shed.error() == Error::preempted)
        return Err{Error::preempted};
    return 0; // what must stay, stays
}

} // namespace hypercall
