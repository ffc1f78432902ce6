#include "hypercall/domain_time.hpp"

#include "arch/cpu.hpp"
#include "domain/lifecycle.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;

// xen_domctl_tsc_info.tsc_mode (Xen's xen-tscmode(7)).
constexpr std::uint32_t kTscDefault = 0, kTscEmulated = 1, kTscNative = 2;

} // namespace

Answer set_time_offset(Domain& subject, xen_domctl_t const& op) {
    subject.time_offset.store(op.u.settimeoffset.time_offset_seconds, std::memory_order_relaxed);
    domain::tell_wall_clock(subject);
    return 0;
}

Answer set_tsc_info(Domain& subject, xen_domctl_t const& op) {
    auto const& request = op.u.tsc_info;
    if (subject.privileged)
        return 0; // whatever is asked for, as in Xen
    if (request.tsc_mode == kTscEmulated)
        return Err{Error::not_supported};
    if (request.tsc_mode != kTscDefault && request.tsc_mode != kTscNative)
        return Err{Error::invalid};
    subject.tsc_mode.store(request.tsc_mode, std::memory_order_relaxed);
    subject.tsc_incarnation.store(request.incarnation + 1, std::memory_order_relaxed);
    return 0;
}

Answer get_tsc_info(Call& call, Domain const& subject, xen_domctl_t& op) {
    auto& info = op.u.tsc_info;
    info = {};
    info.tsc_mode = subject.tsc_mode.load(std::memory_order_relaxed);
    info.incarnation = subject.tsc_incarnation.load(std::memory_order_relaxed);
    if (info.tsc_mode == kTscDefault) {
        info.gtsc_khz = static_cast<std::uint32_t>(arch::tsc_khz());
        info.elapsed_nsec = subject.system.now();
    }
    TRY(call.write(0, op));
    return 0;
}

} // namespace hypercall
