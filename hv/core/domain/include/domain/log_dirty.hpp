/// Tracking what a domain writes: the log, the harvests that fill it, and when each CPU must flush (SP-19 to SP-22).
///
///     start    the domain is paused for a moment, so that its roots are known; then what may write to it from elsewhere, and
///              what are tables, is looked up, and a first harvest is thrown away: D bits have been collecting since each mapping was made
///     collect  a harvest: the log says what was written until it began, and perhaps a little of what came after
///     settle   every CPU flushes: now the pages may be read that were taken from the log
///
/// Only translated domains: what a device writes by DMA leaves no mark. All may answer Error::preempted: call again with the same
/// arguments. One caller at a time: it holds a Claim of LogDirtyProgress::busy.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "shadow_pt/paging.hpp"

namespace domain {

struct Domain;

/// What a harvest took: for who decides by it, and for benchmarks.
struct HarvestStatistics {
    std::uint64_t number = 0; ///< of the domain's, from 1
    std::uint64_t tables = 0;
    std::uint64_t entries = 0;
    std::uint64_t leaves = 0;       ///< that were dirty
    std::uint64_t write_faults = 0; ///< of the guest, since the harvest before (Tracker::write_protect)
    std::uint64_t nanoseconds = 0;  ///< of collecting; the flush comes after it
};

/// How far starting or collecting has come, for who is preempted in it.
struct LogDirtyProgress {
    enum class Step : std::uint8_t { idle, frames, first, collecting, copying, heat };
    std::atomic<bool> busy{false};
    Step step = Step::idle;
    base::Gfn cursor{0};             ///< in `frames`
    std::uint64_t next = 0;          ///< in `copying`: words, in `heat`: regions that are done
    std::uint64_t told_dirty = 0;    ///< in `copying`: bits so far
    std::uint64_t told_foreign = 0;  ///< the same
    std::uint64_t stopped = 0;       ///< for how many nanoseconds the domain was paused when tracking began
    HarvestStatistics harvest;       ///< the last, or the one that is under way
    HarvestStatistics counts_before; ///< of all harvests, when it began

    void begin_copying() {
        step = Step::copying;
        next = told_dirty = told_foreign = 0;
    }
};

/// What becomes of frames that other domains may write to.
enum class ForeignFrames : std::uint8_t { dirty, apart };

/// `invalid`: it is tracked already, or is no translated domain; `no_memory`. REQUIRES: a caller that is not @p domain.
[[nodiscard]] base::Status start_log_dirty(Domain& domain, shadow_pt::Tracker tracker = shadow_pt::Tracker::harvest);
/// Nothing if it is not tracked.
void stop_log_dirty(Domain& domain);

/// Brings the log up to date. REQUIRES: tracked. Whatever comes of it then, settle_dirty() comes before the next.
[[nodiscard]] base::Status collect_dirty(Domain& domain, ForeignFrames foreign = ForeignFrames::dirty);
/// When it returns, no CPU can write to the domain's memory by a translation from before.
void settle_dirty(Domain& domain);

} // namespace domain
