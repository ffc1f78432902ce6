// Page tables: mmu_update, update_va_mapping, mmuext_op (docs/abi.md §3.3).

#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "domain/descriptors.hpp"
#include "domain/m2p.hpp"
#include "domain/preemption.hpp"
#include "domain/roots.hpp"
#include "domain/translation.hpp"
#include "hypercall/batch.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Gaddr;
using base::Gfn;
using base::Status;
using base::Vaddr;
using domain::Domain;
using shadow_pt::FlushDebt;
using shadow_pt::UpdateMode;
using shadow_pt::VcpuSet;
using Source = domain::PagingHost::Source;
using ExtendedOp = struct ::mmuext_op; // the handler has the same name

/// Whose tables, and whose frames, a call is about: the low half of its domid names the owner of the frames, the high
/// half, if not 0, the owner of the tables plus one.
struct Subjects {
    Domain* tables = nullptr;
    Domain* owner = nullptr; ///< of the frames
    Source frames;
};

base::Result<Domain*> other_domain(Call& call, std::uint16_t id) {
    if (id == DOMID_SELF || base::DomId{id} == call.domain().id)
        return &call.domain();
    Domain* const found = call.domain().system.find(base::DomId{id});
    if (found == nullptr)
        return Err{Error::no_such_domain};
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    return found;
}

[[gnu::noinline]] base::Result<Subjects> other_subjects(Call& call, std::uint32_t foreign) {
    Subjects answer{.tables = &call.domain(), .owner = &call.domain(), .frames = {}};
    auto const owner = static_cast<std::uint16_t>(foreign >> 16);
    if (owner != 0)
        answer.tables = TRY(other_domain(call, static_cast<std::uint16_t>(owner - 1)));
    auto const frames = static_cast<std::uint16_t>(foreign);
    if (frames == DOMID_IO)
        answer.frames.devices_only = true;
    else if (frames == DOMID_XEN && !call.domain().privileged)
        return Err{Error::not_permitted};
    else if (frames == DOMID_XEN)
        answer.frames.identity = true;
    else if (frames != DOMID_SELF)
        answer.owner = TRY(other_domain(call, frames));
    // The tables' own domain is what a Source means by default.
    if (answer.owner != answer.tables && !answer.frames.devices_only)
        answer.frames.other = answer.owner;
    return answer;
}

base::Result<Subjects> subjects(Call& call, std::uint32_t foreign) {
    if (foreign == DOMID_SELF) // most often
        return Subjects{.tables = &call.domain(), .owner = &call.domain(), .frames = {}};
    return other_subjects(call, foreign);
}

/// What kind of request this is; nothing if it is not about a table's entry.
std::optional<UpdateMode> mode_of(mmu_update_t const& update) {
    switch (update.ptr & 7) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE: return UpdateMode::normal;
    case MMU_PT_UPDATE_PRESERVE_AD: return UpdateMode::preserve_ad;
    default: return std::nullopt;
    }
}

Gaddr place_of(mmu_update_t const& update) { return Gaddr{update.ptr & ~std::uint64_t{7}}; }

[[gnu::noinline]] Status update_m2p(Subjects const& of, mmu_update_t const& update) {
    if ((update.ptr & 7) != MMU_MACHPHYS_UPDATE)
        return Err{Error::not_implemented};
    return domain::update_m2p(*of.owner, frame_of(place_of(update)), base::Pfn{update.val});
}

/// Changes of entries that follow each other are carried out together; anything else alone.
[[gnu::noinline]] Status update_some(Subjects const& of, std::span<mmu_update_t const> requests, std::uint32_t& done) {
    std::uint32_t count = 0;
    while (count < requests.size() && mode_of(requests[count]))
        ++count;
    auto const at = [&](std::uint32_t index) {
        auto const& request = requests[index];
        return shadow_pt::EntryUpdate{.where = place_of(request), .value = request.val, .mode = *mode_of(request)};
    };
    if (count != 0)
        return of.tables->paging.update_entries(count, at, of.frames, done);
    TRY(update_m2p(of, requests.front()));
    done = 1;
    return {};
}

/// The vCPUs that a guest's bitmap names, at @p at.
base::Result<VcpuSet> vcpus_in(Call& call, Vaddr at) {
    VcpuSet set;
    domain::GuestArray<std::uint64_t> const words{call.vcpu, at};
    std::size_t const count = call.domain().vcpus.size();
    for (std::size_t first = 0; first < count; first += 64) {
        auto const word = TRY(words.read(first / 64));
        for (std::size_t bit = 0; bit < 64 && first + bit < count; ++bit)
            if ((word >> bit & 1) != 0)
                set.set(first + bit);
    }
    return set;
}

VcpuSet self(Call const& call) {
    VcpuSet set;
    set.set(call.vcpu.id.raw());
    return set;
}

/// What update_va_mapping's flags ask for: none, a flush or one page, here, everywhere or for a set of vCPUs.
Status flush_as_asked(Call& call, Vaddr va, std::uint64_t flags, FlushDebt& debt) {
    std::uint64_t const kind = flags & UVMF_FLUSHTYPE_MASK;
    if (kind == UVMF_NONE || (kind == UVMF_INVLPG && !domain::guest_address(va)))
        return {};
    VcpuSet set = self(call);
    std::uint64_t const whose = flags & ~std::uint64_t{UVMF_FLUSHTYPE_MASK};
    if (whose == UVMF_ALL)
        set = FlushDebt::everyone();
    else if (whose != UVMF_LOCAL)
        set = TRY(vcpus_in(call, Vaddr{whose}));
    if (kind == UVMF_TLB_FLUSH)
        debt.add_all(set);
    else
        debt.add_page(set, va);
    return {};
}

/// Nothing is cached for what can never be mapped.
Status flush_page(Call& call, VcpuSet const& whose, Vaddr address) {
    if (domain::guest_address(address))
        call.debt.add_page(whose, address);
    return {};
}

unsigned pin_level(unsigned command) { return command - MMUEXT_PIN_L1_TABLE + 1; }

/// NEW_BASEPTR and NEW_USER_BASEPTR are the caller's own: not another domain's.
Status new_root(Call& call, Domain const& target, arch::Root root, Gfn gfn) {
    if (&target != &call.domain())
        return Err{Error::not_permitted};
    bool const none = root == arch::Root::user && gfn.raw() == 0;
    if (!none && !gfn.valid())
        return Err{Error::invalid};
    if (none)
        return domain::set_root(call.vcpu, root, Gfn{});
    return domain::set_root(call.vcpu, root, gfn);
}

/// A page of @p target's, for as long as it is written to.
template <typename Write> Status write_page(Domain& target, Gfn gfn, Write&& write) {
    auto const held = target.paging.hold(gfn, shadow_pt::Use::writable);
    if (!held)
        return Err{held.error() == Error::preempted ? Error::preempted : Error::invalid};
    write(arch::direct_map(held.value()));
    target.host.mark_dirty(held.value());
    target.paging.unhold(held.value(), shadow_pt::Use::writable);
    return {};
}

Status clear_page(Domain& target, Gfn gfn) {
    return write_page(target, gfn, [](std::byte* page) { std::memset(page, 0, base::kPageSize); });
}

/// What is copied may be anything of the domain's, its tables too.
Status copy_page(Domain& target, Gfn to, Gfn from) {
    auto const source = target.gfns.get(from);
    if (!source)
        return Err{Error::invalid};
    return write_page(target, to, [&](std::byte* page) {
        std::memcpy(page, arch::direct_map(source.value().mfn()), base::kPageSize);
    });
}

Status extended_op(Call& call, Domain& target, ExtendedOp const& op) {
    Vaddr const linear{op.arg1.linear_addr};
    Gfn const gfn{op.arg1.mfn};
    switch (op.cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE: return target.paging.pin(pin_level(op.cmd), gfn);
    case MMUEXT_UNPIN_TABLE: return target.paging.unpin(gfn);
    case MMUEXT_NEW_BASEPTR: return new_root(call, target, arch::Root::kernel, gfn);
    case MMUEXT_NEW_USER_BASEPTR: return new_root(call, target, arch::Root::user, gfn);
    case MMUEXT_TLB_FLUSH_LOCAL: call.debt.add_local_all(); return {};
    case MMUEXT_INVLPG_LOCAL: return flush_page(call, self(call), linear);
    case MMUEXT_TLB_FLUSH_MULTI: {
        auto const set = TRY(vcpus_in(call, hypercall::address_of(op.arg2.vcpumask)));
        call.debt.add_all(set);
        return {};
    }
    case MMUEXT_INVLPG_MULTI: {
        auto const set = TRY(vcpus_in(call, hypercall::address_of(op.arg2.vcpumask)));
        return flush_page(call, set, linear);
    }
    case MMUEXT_TLB_FLUSH_ALL: call.debt.add_all(FlushDebt::everyone()); return {};
    case MMUEXT_INVLPG_ALL: return flush_page(call, FlushDebt::everyone(), linear);
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        if (!call.domain().privileged)
            return Err{Error::not_permitted};
        arch::write_back_caches();
        return {};
    case MMUEXT_CLEAR_PAGE: return clear_page(target, gfn);
    case MMUEXT_COPY_PAGE: return copy_page(target, gfn, Gfn{op.arg2.src_mfn});
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER: return Err{Error::not_supported};
    case MMUEXT_SET_LDT: return domain::set_ldt(call.vcpu, linear, op.arg2.nr_ents);
    default: return Err{Error::not_implemented};
    }
}

} // namespace

Answer mmu_update(Call& call) {
    auto const of = TRY(subjects(call, call.u32(3)));
    return run_batch<mmu_update_t>(call, [&](std::span<mmu_update_t const> requests, std::uint32_t& done) {
        return update_some(of, requests, done);
    });
}

Answer mmuext_op(Call& call) {
    auto const id = static_cast<std::uint16_t>(call.args[3]);
    Domain& target = *TRY(other_domain(call, id));
    return run_batch<ExtendedOp>(call, [&](std::span<ExtendedOp const> requests, std::uint32_t& done) {
        auto const status = extended_op(call, target, requests.front());
        done = status.ok() ? 1 : 0;
        return status;
    });
}

Answer update_va_mapping(Call& call) {
    Vaddr const va = call.pointer(0);
    Status const status = domain::guest_address(va) ? call.domain().paging.update_va(call.vcpu.kernel_root.tables, va,
                                                                                     call.args[1], call.debt)
                                                    : Status{Err{Error::invalid}};
    if (!status && status.error() == Error::preempted)
        return Err{Error::preempted};
    TRY(flush_as_asked(call, va, call.args[2], call.debt)); // also when the update is refused
    TRY(status);
    return 0;
}

Answer update_va_mapping_otherdomain(Call& call) {
    auto const of = TRY(subjects(call, static_cast<std::uint16_t>(call.args[3])));
    Vaddr const va = call.pointer(0);
    if (!domain::guest_address(va))
        return Err{Error::invalid};
    TRY(call.domain().paging.update_va(call.vcpu.kernel_root.tables, va, call.args[1], call.debt, of.frames));
    TRY(flush_as_asked(call, va, call.args[2], call.debt));
    return 0;
}

Answer set_gdt(Call& call) {
    std::uint64_t const entries = call.args[1];
    if (entries > domain::kGuestGdtEntries)
        return Err{Error::invalid};
    std::array<Gfn, 14> frames{};
    std::size_t const count = (entries + 511) / 512;
    auto const list = call.array<std::uint64_t>(0);
    for (std::size_t i = 0; i < count; ++i)
        frames[i] = Gfn{TRY(list.read(i))};
    TRY(domain::set_gdt(call.vcpu, std::span{frames}.first(count), static_cast<std::uint32_t>(entries)));
    return 0;
}

Answer update_descriptor(Call& call) {
    TRY(domain::update_descriptor(call.domain(), Gaddr{call.args[0]}, call.args[1]));
    return 0;
}

} // namespace hypercall
