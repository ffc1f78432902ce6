#include "domain/log_dirty.hpp"

#include <algorithm>

#include "domain/domain.hpp"
#include "domain/lifecycle.hpp"
#include "domain/memory.hpp"
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

/// Whether other domains may write to @p frame of the log's domain now; they may begin and end to meanwhile.
void tell_foreign(Domain& domain, Gfn gfn, mm::FrameInfo& frame) {
    for (bool told = false; (frame.foreign_writers() > 0) != told;) {
        told = !told;
        domain.log.set_foreign(gfn, told);
    }
}

/// Which of its frames other domains may write to now, and which are tables; from here on each change is told
/// (PagingHost::foreign_writer, became_table).
Status look_at_frames(Domain& domain) {
    auto& cursor = domain.log_dirty.cursor;
    for (std::uint32_t looked_at = 1;; ++looked_at) {
        auto const hint = domain.gfns.next(cursor);
        if (!hint.valid())
            return {};
        Gfn const gfn{cursor.raw() - 1};
        auto& info = domain.system.frames.info(hint);
        if (shadow_pt::is_table(info.state.use()))
            domain.log.tell_table(gfn);
        if (info.foreign_writers() > 0) {
            if (auto const frame = domain.gfns.get(gfn); frame.ok())
                tell_foreign(domain, gfn, frame.value().info());
        }
        if (looked_at % 64 == 0 && slice_is_over(domain.system))
            return Err{Error::preempted};
    }
}

Status harvest(Domain& domain) {
    TRY(domain.paging.harvest());
    mark_areas(domain);
    return {};
}

/// Sees that the log has bits for all frames that the domain has or may have, as far as the machine goes.
Status make_room(Domain& domain) {
    constexpr std::uint64_t kGroup = std::uint64_t{logdirty::kGroupWords} * logdirty::kWordBits;
    auto& system = domain.system;
    auto const wanted = std::max<std::uint64_t>(quota(domain).limit(), domain.gfns.limit().raw());
    auto const frames = (std::min(wanted, system.frames.size()) + kGroup - 1) / kGroup * kGroup;
    if (domain.log.frames() >= frames)
        return {};
    auto const words = logdirty::Pages::words_for(frames);
    auto const bytes = words * sizeof(std::uint64_t);
    auto* const memory = TRY(system.heap.allocate(bytes));
    auto const made =
        system.heap.make<logdirty::Pages>(frames, std::span{reinterpret_cast<std::uint64_t*>(memory), words});
    if (!made.ok()) {
        system.heap.free(memory, bytes);
        return Err{made.error()};
    }
    domain.log.adopt(*made.value());
    return {};
}

/// The domain stands still while its roots are listed: none may come or go meanwhile.
Status begin_tracking(Domain& domain, shadow_pt::Tracker tracker) {
    auto const begun = domain.system.now();
    pause(domain);
    for (Vcpu const* const vcpu : domain.vcpus)
        wait_until_off(*vcpu);
    auto const started = domain.paging.start_tracking(tracker);
    if (started.ok()) {
        domain.log.start();
        tell_roots(domain);
    }
    static_cast<void>(unpause(domain));
    domain.log_dirty.stopped = domain.system.now() - begun;
    return started;
}

/// All that harvests of the domain have done so far.
HarvestStatistics counts_of(Domain const& domain) {
    auto const& counters = domain.paging.counters();
    return {.tables = counters.tables_harvested,
            .entries = counters.entries_harvested,
            .leaves = counters.leaves_harvested,
            .write_faults = counters.write_faults};
}

void begin_harvest(Domain& domain) {
    auto& progress = domain.log_dirty;
    auto const counts = counts_of(domain);
    progress.harvest = {.number = progress.harvest.number + 1,
                        .write_faults = counts.write_faults - progress.counts_before.write_faults};
    progress.counts_before = counts;
    domain.log.begin_harvest();
    tell_roots(domain);
    progress.step = Step::collecting;
}

void end_harvest(Domain& domain) {
    auto& harvest = domain.log_dirty.harvest;
    auto const& before = domain.log_dirty.counts_before;
    auto const now = counts_of(domain);
    harvest.tables = now.tables - before.tables;
    harvest.entries = now.entries - before.entries;
    harvest.leaves = now.leaves - before.leaves;
    domain.log_dirty.step = Step::idle;
}

} // namespace

Status start_log_dirty(Domain& domain, shadow_pt::Tracker tracker) {
    auto& progress = domain.log_dirty;
    if (progress.step == Step::idle) {
        if (!domain.translated() || domain.paging.tracking())
            return Err{Error::invalid};
        TRY(make_room(domain));
        TRY(begin_tracking(domain, tracker));
        progress.cursor = Gfn{0};
        progress.harvest = {};
        progress.step = Step::frames;
    }
    if (progress.step == Step::frames) {
        TRY(look_at_frames(domain));
        domain.log.all_tables_told();
        progress.step = Step::first;
    }
    if (progress.step != Step::first)
        return Err{Error::invalid};
    TRY(harvest(domain));
    settle_dirty(domain);
    domain.log.clear();
    progress.counts_before = counts_of(domain);
    progress.step = Step::idle;
    return {};
}

void stop_log_dirty(Domain& domain) {
    domain.log.stop();
    domain.paging.stop_tracking();
    domain.log_dirty.step = Step::idle;
}

Status collect_dirty(Domain& domain, ForeignFrames foreign) {
    auto& progress = domain.log_dirty;
    if (progress.step != Step::idle && progress.step != Step::collecting)
        return Err{Error::invalid};
    auto const begun = domain.system.now();
    if (progress.step == Step::idle)
        begin_harvest(domain);
    auto const status = harvest(domain);
    if (status.ok()) {
        if (foreign == ForeignFrames::dirty)
            domain.log.mark_foreign();
        end_harvest(domain);
    }
    progress.harvest.nanoseconds += domain.system.now() - begun;
    return status;
}

void settle_dirty(Domain& domain) { domain.host.retire(domain.host.clock().now()); }

} // namespace domain
