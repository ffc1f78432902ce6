// What Xen's toolstack saves and restores a domain with, beside the calls that make one (docs/abi.md §8.1, §9.4).

#include "hypercall/saved_state.hpp"

#include "arch/cpu.hpp"
#include "domain/claim.hpp"
#include "domain/heap.hpp"
#include "domain/lifecycle.hpp"
#include "domain/preemption.hpp"
#include "domain/running.hpp"
#include "guest/context.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;
using domain::Vcpu;

xen_pfn_t type_of(Domain& subject, base::Gfn gfn) {
    auto const frame = subject.gfns.get(gfn);
    if (!frame.ok() || frame.value().info().special())
        return XEN_DOMCTL_PFINFO_XTAB;
    auto const word = frame.value().info().state.word();
    if (!shadow_pt::is_table(word.use()))
        return XEN_DOMCTL_PFINFO_NOTAB;
    return xen_pfn_t{shadow_pt::table_level(word.use())} << XEN_DOMCTL_PFINFO_LTAB_SHIFT |
           (word.pinned() ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
}

/// Before the XSAVE area: XCR0, and all that it ever was.
constexpr std::uint64_t kExtendedHeader = 2 * sizeof(std::uint64_t);

} // namespace

Answer get_page_types(Call& call, Domain& subject, xen_domctl_t& op) {
    auto& request = op.u.getpageframeinfo3;
    if (&subject == &call.domain())
        return Err{Error::invalid};
    for (; request.num > 0; --request.num) {
        domain::GuestArray<xen_pfn_t> const array{call.vcpu, address_of(request.array)};
        TRY(array.write(0, type_of(subject, base::Gfn{TRY(array.read(0))})));
        ++request.array.p;
        if (request.num > 1 && request.num % 64 == 1 && domain::slice_is_over(subject.system)) {
            --request.num;
            TRY(call.write(0, op)); // the next try goes on from here
            return Err{Error::preempted};
        }
    }
    return 0;
}

Answer get_further_context(Call& call, Domain& subject, xen_domctl_t& op) {
    auto& state = op.u.ext_vcpucontext;
    auto const number = state.vcpu;
    Vcpu const& vcpu = *TRY(vcpu_of_another(call, subject, number));
    state = {};
    state.vcpu = number;
    state.size = sizeof state;
    state.syscall32_callback_eip = vcpu.syscall32_callback.address;
    state.sysenter_callback_eip = vcpu.sysenter_callback.address;
    state.syscall32_disables_events = vcpu.syscall32_callback.mask_events;
    state.sysenter_disables_events = vcpu.sysenter_callback.mask_events;
    state.syscall32_callback_cs = state.sysenter_callback_cs = FLAT_KERNEL_CS;
    TRY(call.write(0, op));
    return 0;
}

Answer set_further_context(Call& call, Domain& subject, xen_domctl_t const& op) {
    auto const& state = op.u.ext_vcpucontext;
    Vcpu& vcpu = *TRY(vcpu_of_another(call, subject, state.vcpu));
    if (state.size < offsetof(xen_domctl_ext_vcpucontext, mcg_cap) ||
        !base::canonical(base::Vaddr{state.syscall32_callback_eip}) ||
        !base::canonical(base::Vaddr{state.sysenter_callback_eip}))
        return Err{Error::invalid};
    domain::Claim const claim{vcpu.claimed};
    if (!claim)
        return Err{Error::preempted};
    domain::Stopped const stopped{vcpu};
    vcpu.syscall32_callback = {state.syscall32_callback_eip, state.syscall32_disables_events != 0};
    vcpu.sysenter_callback = {state.sysenter_callback_eip, state.sysenter_disables_events != 0};
    return 0;
}

Answer get_extended_state(Call& call, Domain& subject, xen_domctl_t& op) {
    auto& request = op.u.vcpuextstate;
    Vcpu& vcpu = *TRY(vcpu_of_another(call, subject, request.vcpu));
    auto const to = address_of(request.buffer);
    bool const any = arch::supported_xcr0() != 0;
    auto const size = any ? kExtendedHeader + arch::extended_state_size() : 0;
    if (to.raw() == 0) {
        request.xfeature_mask = arch::supported_xcr0();
        request.size = size;
        TRY(call.write(0, op));
        return 0;
    }
    if (request.size != size || request.xfeature_mask != arch::supported_xcr0())
        return Err{Error::invalid};
    domain::Claim const claim{vcpu.claimed};
    if (!claim)
        return Err{Error::preempted};
    domain::Stopped const stopped{vcpu};
    domain::GuestArray<std::uint64_t> const header{call.vcpu, to};
    TRY(header.write(0, vcpu.xcr0));
    TRY(header.write(1, vcpu.xcr0));
    TRY(domain::copy_to_guest(call.vcpu, call.vcpu.mode, to + kExtendedHeader,
                              std::span{vcpu.saved.extended_state, arch::extended_state_size()}));
    return 0;
}

Answer set_extended_state(Call& call, Domain& subject, xen_domctl_t const& op) {
    auto const& request = op.u.vcpuextstate;
    Vcpu& vcpu = *TRY(vcpu_of_another(call, subject, request.vcpu));
    if (request.size < kExtendedHeader || request.size > kExtendedHeader + arch::extended_state_size())
        return Err{Error::invalid};
    domain::GuestArray<std::uint64_t> const header{call.vcpu, address_of(request.buffer)};
    auto const xcr0 = TRY(header.read(0));
    auto const area = TRY(domain::make_scratch_array<std::byte>(subject.system, request.size - kExtendedHeader));
    TRY(domain::copy_from_guest(call.vcpu, call.vcpu.mode, area.get(), header.at(2)));
    domain::Claim const claim{vcpu.claimed};
    if (!claim)
        return Err{Error::preempted};
    domain::Stopped const stopped{vcpu};
    TRY(guest::set_extended_state(vcpu, xcr0, area.get()));
    return 0;
}

Answer get_msrs(Call& call, Domain& subject, xen_domctl_t& op) {
    static_cast<void>(TRY(vcpu_of_another(call, subject, op.u.vcpu_msrs.vcpu)));
    op.u.vcpu_msrs.msr_count = 0;
    TRY(call.write(0, op));
    return 0;
}

Answer set_msrs(Domain& subject, xen_domctl_t const& op) {
    if (subject.vcpu(base::VcpuId{op.u.vcpu_msrs.vcpu}) == nullptr || op.u.vcpu_msrs.msr_count != 0)
        return Err{Error::invalid};
    return 0;
}

Answer resume_domain(Call& call, Domain& subject) {
    if (&subject == &call.domain())
        return Err{Error::invalid};
    domain::resume(subject);
    return 0;
}

} // namespace hypercall
