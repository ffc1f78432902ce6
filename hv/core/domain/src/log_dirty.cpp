#include "domain/log_dirty.hpp"

#include "domain/domain.hpp"
#include "domain/lifecycle.hpp"
#include "domain/preemption.hpp"
#include "domain/running.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Status;
using Step = LogDirtyProgress::Step;

/// The roots that the domain's vCPUs have are starts of the next harvest.
void tell_roots(Domain& domain) {
    for (Vcpu const* const vcpu : domain.vcpus)
        for (auto const& root : vcpu->tracked_roots)
            if (auto const table = root.load(std::memory_order_acquire); table != 0)
                domain.paging.starts_at_root(base::Mfn{table});
}

/// The words of vCPUs that the hypervisor writes to as it pleases.
void mark_areas(Domain& domain) {
    for (Vcpu const* const vcpu : domain.vcpus)
        if (vcpu->info_frame.valid())
            domain.host.mark_dirty(vcpu->info_frame);
}

/// Which of its frames other domains may write to now; from here on each change is told (PagingHost::foreign_writer).
Status find_foreign_writers(Domain& domain) {
    auto& progress = domain.log_dirty;
    while (progress.cursor < domain.gfns.limit()) {
        if (auto const frame = domain.gfns.get(progress.cursor);
            frame.ok() && frame.value().info().foreign_writers() > 0)
            domain.log.set_foreign(progress.cursor, true);
        progress.cursor = progress.cursor + 1;
        if (progress.cursor.raw() % 64 == 0 && slice_is_over(domain.system))
            return Err{Error::preempted};
    }
    return {};
}

Status harvest(Domain& domain) {
    auto& progress = domain.log_dirty;
    if (progress.step != Step::collecting && progress.step != Step::first)
        return Err{Error::invalid};
    TRY(domain.paging.harvest());
    mark_areas(domain);
    domain.log.mark_foreign();
    return {};
}

} // namespace

Status start_log_dirty(Domain& domain) {
    auto& progress = domain.log_dirty;
    if (progress.step == Step::idle) {
        if (!domain.translated() || domain.paging.tracking())
            return Err{Error::invalid};
        if (!domain.log.has_memory())
            domain.log.adopt(TRY(domain.system.heap.make_array<std::uint64_t>(
                logdirty::DirtyLog::words_for(domain.system.frames.size()))));
        pause(domain);
        for (Vcpu const* const vcpu : domain.vcpus)
            wait_until_off(*vcpu);
        auto const started = domain.paging.start_tracking();
        if (started.ok()) {
            domain.log.start();
            tell_roots(domain);
        }
        static_cast<void>(unpause(domain));
        TRY(started);
        progress.cursor = Gfn{0};
        progress.step = Step::foreign;
    }
    if (progress.step == Step::foreign) {
        TRY(find_foreign_writers(domain));
        progress.step = Step::first;
    }
    if (progress.step == Step::first) {
        TRY(harvest(domain));
        settle_dirty(domain);
        domain.log.clear();
        progress.step = Step::idle;
    }
    return {};
}

void stop_log_dirty(Domain& domain) {
    domain.log.stop();
    domain.paging.stop_tracking();
    domain.log_dirty.step = Step::idle;
}

Status collect_dirty(Domain& domain) {
    auto& progress = domain.log_dirty;
    if (progress.step == Step::idle) {
        tell_roots(domain);
        progress.step = Step::collecting;
    }
    TRY(harvest(domain));
    progress.step = Step::idle;
    return {};
}

void settle_dirty(Domain& domain) { domain.host.retire(domain.host.clock().now()); }

} // namespace domain
