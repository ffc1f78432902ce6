/// The parts of a domain that take() and restore() go through.
#pragma once

#include "domain/claim.hpp"
#include "domain/domain.hpp"
#include "domain/heap.hpp"
#include "domain/preemption.hpp"
#include "snapshot/caller_memory.hpp"

namespace snapshot {

/// Calls @p visit with each vCPU, claimed, from the one on that RecordProgress names. Each call of this gets on with one at
/// least, however little time there is.
template <typename Visit> base::Status for_each_vcpu(domain::Domain& subject, Visit&& visit) {
    auto& next = subject.record.next;
    while (next < subject.vcpus.size()) {
        domain::Vcpu& vcpu = *subject.vcpus[next];
        domain::Claim const claim{vcpu.claimed};
        if (!claim)
            return base::Err{base::Error::preempted};
        TRY(visit(vcpu));
        ++next;
        if (domain::slice_is_over(subject.system))
            return base::Err{base::Error::preempted};
    }
    return {};
}

// --- vcpu.cpp: the caller has claimed and stopped the vCPU ----------------------------------------------------------------

[[nodiscard]] base::Status put_vcpu(Writer& writer, domain::Vcpu& vcpu);
[[nodiscard]] base::Status put_extended_state(Writer& writer, domain::Vcpu& vcpu);
[[nodiscard]] base::Status put_timers(Writer& writer, domain::Vcpu& vcpu);
[[nodiscard]] base::Status put_areas(Writer& writer, domain::Vcpu& vcpu);

/// Everything that may fail: its context, its reservation. May be preempted.
[[nodiscard]] base::Status restore_vcpu(Reader& reader, domain::Vcpu& vcpu);
/// A transparent restore's: where its words are.
[[nodiscard]] base::Status restore_areas(Reader& reader, domain::Vcpu& vcpu);
/// A transparent restore's: what it waits for. After its domain's clock goes and its channels are there. @p flags: TERN_RECORD_V_*.
void restore_timers(domain::Vcpu& vcpu, std::uint32_t flags, tern_record_timers const& timers);
/// The reverse of the first two. May be preempted.
[[nodiscard]] base::Status drop_vcpu(domain::Vcpu& vcpu);

// --- channels.cpp --------------------------------------------------------------------------------------------------------

[[nodiscard]] base::Status put_channels(Writer& writer, domain::Domain& subject);
/// `busy`: something is bound already.
[[nodiscard]] base::Status restore_channels(Reader& reader, domain::Domain& subject);
/// A cooperative restore's: nothing is pending, all ports are masked. Does not fail half-way.
[[nodiscard]] base::Status start_channels(Reader& reader, domain::Domain& subject);
/// Has every vCPU look at what is pending.
void remind_all(domain::Domain& subject);

// --- grants.cpp ----------------------------------------------------------------------------------------------------------

[[nodiscard]] base::Status put_grants(Writer& writer, domain::Domain& subject);
/// May be preempted, at @p next frame.
[[nodiscard]] base::Status restore_grants(Reader& reader, domain::Domain& subject, std::uint32_t& next);
/// Its frames stay, and are empty.
void drop_grants(domain::Domain& subject);

// --- time.cpp ------------------------------------------------------------------------------------------------------------

[[nodiscard]] tern_record_time time_of(domain::Domain& subject);
/// The domain's time goes on from @p time.
void restore_time(domain::Domain& subject, tern_record_time const& time, bool stood);

} // namespace snapshot
