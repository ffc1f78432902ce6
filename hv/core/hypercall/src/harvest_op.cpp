// What shadow_op asks of the same code, and what Xen's call has no words for: which tracker, ranges, frames that others may write to
// apart, heat, and what it all took.

#include "hypercall/harvest_op.hpp"

#include <algorithm>

#include "abi/tern.h"
#include "domain/claim.hpp"
#include "domain/log_dirty.hpp"
#include "hypercall/dirty_answer.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;
using domain::ForeignFrames;
using Step = domain::LogDirtyProgress::Step;

/// Another domain than the caller's own.
base::Result<Domain*> other_domain(Call const& call, std::uint16_t id) {
    auto* const subject = call.domain().system.find(base::DomId{id});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    if (subject == &call.domain())
        return Err{Error::invalid};
    return subject;
}

/// The bits, then the heat; `preempted` in between.
base::Status copy_answer(Call& call, Domain& subject, DirtyAnswer const& answer, base::Vaddr heat) {
    auto& progress = subject.log_dirty;
    if (progress.step == Step::copying) {
        TRY(copy_dirty(call, subject, answer));
        progress.step = Step::heat;
        progress.next = 0;
    }
    return heat.raw() == 0 ? base::Status{} : copy_heat(call, subject, answer, heat);
}

/// Sees that there is a harvest to tell of: a new one, or, if the caller only wants to read on, the last.
base::Status have_harvest(Domain& subject, tern_harvest const& request) {
    auto& progress = subject.log_dirty;
    if (progress.step == Step::copying || progress.step == Step::heat)
        return {};
    if ((request.flags & TERN_HARVEST_same) == 0)
        TRY(domain::collect_dirty(subject, request.foreign == 0 ? ForeignFrames::dirty : ForeignFrames::apart));
    else if (progress.step != Step::idle || progress.harvest.number == 0)
        return Err{Error::invalid};
    progress.begin_copying();
    return {};
}

void tell(tern_harvest& request, domain::LogDirtyProgress const& progress) {
    auto const& harvest = progress.harvest;
    request.number = harvest.number;
    request.dirty = progress.told_dirty;
    request.foreign_frames = progress.told_foreign;
    request.tables = harvest.tables;
    request.entries = harvest.entries;
    request.leaves = harvest.leaves;
    request.write_faults = harvest.write_faults;
    request.nanoseconds = harvest.nanoseconds;
}

} // namespace

Answer track(Call& call) {
    auto request = TRY(call.read<tern_track>(1));
    Domain& subject = *TRY(other_domain(call, request.domain));
    domain::Claim const claim{subject.log_dirty.busy};
    if (!claim)
        return Err{Error::preempted};
    switch (request.mode) {
    case TERN_TRACK_off: domain::stop_log_dirty(subject); return 0;
    case TERN_TRACK_harvest: TRY(domain::start_log_dirty(subject, shadow_pt::Tracker::harvest)); break;
    case TERN_TRACK_write_protect: TRY(domain::start_log_dirty(subject, shadow_pt::Tracker::write_protect)); break;
    default: return Err{Error::invalid};
    }
    request.stopped = subject.log_dirty.stopped;
    TRY(call.write(1, request));
    return 0;
}

Answer harvest(Call& call) {
    auto request = TRY(call.read<tern_harvest>(1));
    Domain& subject = *TRY(other_domain(call, request.domain));
    constexpr unsigned kFlags = TERN_HARVEST_clean | TERN_HARVEST_same | TERN_HARVEST_zeroed;
    if ((request.flags & ~kFlags) != 0 || request.first % logdirty::kWordBits != 0)
        return Err{Error::invalid};
    domain::Claim const claim{subject.log_dirty.busy};
    if (!claim)
        return Err{Error::preempted};
    if (!subject.log.on())
        return Err{Error::no_data};
    TRY(have_harvest(subject, request));

    auto const limit = subject.gfns.limit().raw();
    bool const clean = (request.flags & TERN_HARVEST_clean) != 0;
    DirtyAnswer const answer{.first = request.first,
                             .pages = request.first < limit ? std::min(request.count, limit - request.first) : 0,
                             .dirty = base::Vaddr{request.bitmap},
                             .foreign = base::Vaddr{request.foreign},
                             .clean = clean,
                             .sparse = (request.flags & TERN_HARVEST_zeroed) != 0};
    auto const copied = copy_answer(call, subject, answer, base::Vaddr{request.heat});
    if (!copied.ok() && copied.error() == Error::preempted)
        return Err{Error::preempted};
    subject.log_dirty.step = Step::idle;
    auto const begun = subject.system.now();
    if (clean || (request.flags & TERN_HARVEST_same) == 0)
        domain::settle_dirty(subject);
    TRY(copied);
    request.count = answer.pages;
    tell(request, subject.log_dirty);
    request.flush_nanoseconds = subject.system.now() - begun;
    TRY(call.write(1, request));
    return 0;
}

} // namespace hypercall
