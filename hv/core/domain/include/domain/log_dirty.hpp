/// Tracking what a domain writes: the log, the harvests that fill it, and when each CPU must flush (SP-19 to SP-22).
///
///     start    the domain is paused for a moment, so that its roots are known; then what may write to it from elsewhere is
///              looked up, and a first harvest is thrown away: D bits have been collecting since each mapping was made
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

namespace domain {

struct Domain;

/// How far starting or collecting has come, for who is preempted in it.
struct LogDirtyProgress {
    enum class Step : std::uint8_t { idle, foreign, first, collecting, copying };
    std::atomic<bool> busy{false};
    Step step = Step::idle;
    base::Gfn cursor{0};     ///< in `foreign`
    std::uint64_t next = 0;  ///< in `copying`: the next word
    std::uint32_t dirty = 0; ///< in `copying`: bits so far
};

/// `invalid`: it is tracked already, or is no translated domain; `no_memory`. REQUIRES: a caller that is not @p domain.
[[nodiscard]] base::Status start_log_dirty(Domain& domain);
/// Nothing if it is not tracked.
void stop_log_dirty(Domain& domain);

/// Brings the log up to date. REQUIRES: tracked.
[[nodiscard]] base::Status collect_dirty(Domain& domain);
/// When it returns, no CPU can write to the domain's memory by a translation from before.
void settle_dirty(Domain& domain);

} // namespace domain
