/// What shadow paging has done so far, for the domain dump and the benchmarks. Approximate: of two CPUs that count the same at the
/// same moment, one may be lost.
#pragma once

#include <atomic>
#include <cstdint>

namespace shadow_pt {

struct Counters {
    using Count = std::atomic<std::uint64_t>;

    Count tables_built{0};
    Count tables_torn{0};
    Count tables_unread{0};         ///< L1s that are looked at when a fault asks for them (SP-23)
    Count tables_without_shadow{0}; ///< when they were made: the pool was full, or nobody was in a hurry (SP-10, SP-23)
    Count shadows_evicted{0};       ///< since the pool was full (SP-10)
    Count uppers_evicted{0};        ///< of these: above L1
    Count evicted_in_use{0};        ///< of these: used since the hand last passed, but there was nothing better
    Count evicted_new{0};           ///< of these: a fault had just brought it, but there was nothing better
    Count shadows_filled{0};        ///< of tables without one, because they were needed
    Count entries_updated{0};       ///< by hypercalls
    Count stores_emulated{0};       ///< by faults (SP-18)
    Count hidden_faults{0};         ///< faults that the guest never saw (SP-15..17)
    Count guest_faults{0};          ///< the guest's own, but for those told while in the guest (maps_nothing)
    Count flushes_for_tables{0};    ///< because a frame became a table while it could be in a TLB (SP-6)
    Count harvests{0};
    Count tables_harvested{0};  ///< visited by harvests (SP-20)
    Count entries_harvested{0}; ///< read by them
    Count leaves_harvested{0};  ///< of those: leaves that were dirty
    Count write_faults{0};      ///< hidden faults that found a first write to a page (write_protect.hpp)
    Count refusals{0};

    static void bump(Count& count, std::uint64_t by = 1) {
        count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }
};

} // namespace shadow_pt
