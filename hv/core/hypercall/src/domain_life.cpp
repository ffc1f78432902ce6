#include "hypercall/domain_life.hpp"

#include <algorithm>
#include <cstring>

#include "arch/cpu.hpp"
#include "build/hypercall_page.hpp"
#include "domain/claim.hpp"
#include "domain/heap.hpp"
#include "domain/lifecycle.hpp"
#include "domain/memory.hpp"
#include "domain/running.hpp"
#include "domain/teardown.hpp"
#include "guest/context.hpp"

namespace hypercall {
namespace {

using base::DomId;
using base::Err;
using base::Error;
using domain::Domain;
using domain::Vcpu;

/// @p given, or all there can be if the caller leaves it to us by a negative number.
std::uint32_t limit_or(std::int32_t given, std::uint32_t most) {
    return given < 0 ? most : static_cast<std::uint32_t>(given);
}

/// What a domain may have of grants. `invalid`: more than there can be, or no table at all.
base::Result<grants::Grants::Limits> grant_limits(xen_domctl_createdomain const& request) {
    grants::Grants::Limits const limits{
        .table = {.frames = limit_or(request.max_grant_frames, grants::GrantTable::kMaxFrames),
                  .version = XEN_DOMCTL_GRANT_version(request.grant_opts)},
        .map_track_frames = limit_or(request.max_maptrack_frames, grants::MapTrack::kMaxFrames)};
    if (limits.table.frames == 0 || limits.table.frames > grants::GrantTable::kMaxFrames || limits.table.version == 0 ||
        limits.table.version > grants::GrantTable::kMaxVersion ||
        limits.map_track_frames > grants::MapTrack::kMaxFrames ||
        (request.grant_opts & ~std::uint32_t{XEN_DOMCTL_GRANT_version_mask}) != 0)
        return Err{Error::invalid};
    return limits;
}

/// A free id, not one that has just been given back: tools may not have noticed yet.
base::Result<DomId> pick_id(domain::System& system) {
    for (std::size_t tries = 0; tries < domain::kMaxDomains; ++tries) {
        auto const next = system.next_domain.fetch_add(1, std::memory_order_relaxed) % domain::kMaxDomains;
        if (DomId const id{static_cast<std::uint16_t>(next)};
            next != 0 && system.find_even_dying(id) == nullptr && system.quotas[id.raw()].total() == 0)
            return id;
    }
    return Err{Error::no_memory};
}

} // namespace

Answer create_domain(Call& call, xen_domctl_t& op) {
    auto const& request = op.u.createdomain;
    // Only PV guests, without devices of the machine's.
    if (request.flags != 0 || request.iommu_opts != 0 || request.vmtrace_size != 0 || request.cpupool_id != 0 ||
        request.arch.emulation_flags != 0 || request.max_vcpus == 0 || request.max_vcpus > base::kMaxCpus)
        return Err{Error::invalid};
    auto const grants = TRY(grant_limits(request));
    auto& system = call.domain().system;
    bool const chosen = op.domain != 0 && op.domain < DOMID_FIRST_RESERVED;
    if (chosen && op.domain >= domain::kMaxDomains)
        return Err{Error::invalid};
    DomId const id = chosen ? DomId{op.domain} : TRY(pick_id(system));
    auto const highest_port = std::min<std::uint32_t>(request.max_evtchn_port, events::kPorts - 1);
    Domain* const made = TRY(domain::create(
        system,
        {.id = id, .vcpus = request.max_vcpus, .max_pages = 0, .channels = highest_port + 1, .grants = grants}));
    domain::pause(*made);
    std::memcpy(made->handle, request.handle, sizeof made->handle);
    op.domain = id.raw();
    TRY(call.write(0, op));
    return 0;
}

Answer set_max_vcpus(Domain& subject, xen_domctl_t const& op) {
    if (op.u.max_vcpus.max != subject.vcpus.size())
        return Err{Error::invalid}; // as in Xen: createdomain has said it
    return 0;
}

Answer set_max_mem(Domain& subject, xen_domctl_t const& op) {
    auto const pages = op.u.max_mem.max_memkb >> (base::kPageShift - 10);
    domain::quota(subject).set_limit(pages);
    domain::set_shadow_limit(subject, pages);
    return 0;
}

Answer pause_domain(Call& call, Domain& subject) {
    if (&subject == &call.domain())
        return Err{Error::invalid};
    domain::pause(subject);
    for (Vcpu const* const vcpu : subject.vcpus)
        domain::wait_until_off(*vcpu); // as on Xen it has stopped when this answers
    return 0;
}

Answer unpause_domain(Call& call, Domain& subject) {
    if (&subject == &call.domain())
        return Err{Error::invalid};
    TRY(domain::unpause(subject));
    return 0;
}

Answer destroy_domain(Call& call, xen_domctl_t const& op) {
    auto& system = call.domain().system;
    Domain* const subject = system.find_even_dying(DomId{op.domain});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    if (subject->privileged)
        return Err{Error::invalid};
    TRY(domain::tear_down(*subject, [&](Domain& dying) { return release_grants(call, dying); }));
    domain::bury_the_dead(system);
    return 0;
}

Answer set_vcpu_context(Call& call, Domain& subject, xen_domctl_t const& op) {
    auto const& request = op.u.vcpucontext;
    Vcpu* const vcpu = TRY(vcpu_of_another(call, subject, request.vcpu));
    if (subject.pauses.load(std::memory_order_seq_cst) == 0 && !subject.shut_down.load())
        return Err{Error::invalid};
    if (address_of(request.ctxt).raw() == 0)
        return Err{Error::not_supported}; // resetting a vCPU
    domain::Claim const claim{vcpu->claimed};
    if (!claim || !vcpu->entity.off())
        return Err{Error::preempted};
    auto const context = TRY(domain::make_scratch<vcpu_guest_context_t>(subject.system));
    TRY(domain::copy_from_guest(call.vcpu, call.vcpu.mode, std::as_writable_bytes(std::span{context.get(), 1}),
                                address_of(request.ctxt)));
    TRY(guest::set_context(*vcpu, *context));
    if (request.vcpu == 0)
        domain::tell_wall_clock(subject);
    if ((context->flags & VGCF_online) != 0)
        domain::bring_up(*vcpu);
    return 0;
}

Answer get_vcpu_context(Call& call, Domain& subject, xen_domctl_t const& op) {
    auto const& request = op.u.vcpucontext;
    Vcpu* const vcpu = TRY(vcpu_of_another(call, subject, request.vcpu));
    if (!vcpu->initialised.load(std::memory_order_acquire))
        return Err{Error::no_data};
    auto const context = TRY(domain::make_scratch<vcpu_guest_context_t>(subject.system));
    {
        domain::Claim const claim{vcpu->claimed};
        if (!claim)
            return Err{Error::preempted};
        domain::Stopped const stopped{*vcpu};
        guest::get_context(*vcpu, *context);
    }
    TRY(domain::copy_to_guest(call.vcpu, call.vcpu.mode, address_of(request.ctxt),
                              std::as_bytes(std::span{context.get(), 1})));
    return 0;
}

Answer init_hypercall_page(Domain& subject, xen_domctl_t const& op) {
    auto const frame = TRY(subject.paging.hold(base::Gfn{op.u.hypercall_init.gmfn}, shadow_pt::Use::writable));
    build::fill_hypercall_page(std::span<std::byte, base::kPageSize>{arch::direct_map(frame), base::kPageSize});
    subject.host.mark_dirty(frame);
    subject.paging.unhold(frame, shadow_pt::Use::writable);
    return 0;
}

} // namespace hypercall
