#include "domain/descriptors.hpp"

#include <array>
#include <atomic>
#include <cstring>

#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "emulate/descriptor.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;
using base::Result;
using base::Status;
using base::Vaddr;
using shadow_pt::Use;

constexpr std::size_t kPerFrame = 512;
constexpr std::size_t kLdtFrames = kMostLdtEntries / kPerFrame;

std::uint64_t load(std::uint64_t& word) { return std::atomic_ref{word}.load(std::memory_order_relaxed); }
void store(std::uint64_t& word, std::uint64_t value) { std::atomic_ref{word}.store(value, std::memory_order_relaxed); }

/// Copies the descriptors of @p guest into @p copy, each checked; Error::invalid at the first bad one.
Status copy_checked(Mfn guest, Mfn copy) {
    auto* const from = arch::frame_as<std::uint64_t>(guest);
    auto* const to = arch::frame_as<std::uint64_t>(copy);
    for (std::size_t i = 0; i < kPerFrame; ++i)
        store(to[i], TRY(emulate::checked_descriptor(load(from[i])))); // read once (SP-7)
    return {};
}

/// Holds @p gfn as a descriptor frame and makes its checked copy.
Result<DescriptorPage> make_page(Domain& domain, Gfn gfn) {
    DescriptorPage page{.gfn = gfn, .guest = TRY(domain.paging.hold(gfn, Use::descriptor)), .copy = {}};
    auto copy = domain.system.allocator.allocate_frame({.owner = mm::kHypervisor});
    if (!copy || !copy_checked(page.guest, copy.value().mfn())) {
        domain.paging.unhold(page.guest, Use::descriptor);
        return Err{copy ? Error::invalid : Error::no_memory};
    }
    page.copy = std::move(copy).value().release();
    return page;
}

void drop_page(Domain& domain, DescriptorPage& page) {
    if (!page.copy.valid())
        return;
    domain.paging.unhold(page.guest, Use::descriptor);
    domain.system.frames.drop_reference(page.copy);
    page = {};
}

template <std::size_t Count> std::array<Mfn, Count> copies(std::array<DescriptorPage, Count> const& pages) {
    std::array<Mfn, Count> frames{};
    for (std::size_t i = 0; i < Count; ++i)
        frames[i] = pages[i].copy;
    return frames;
}

bool live_here(Vcpu const& vcpu) { return vcpu.domain.system.this_cpu().current.load() == &vcpu; }

} // namespace

std::array<Mfn, 14> gdt_copies(Vcpu const& vcpu) { return copies(vcpu.descriptors.gdt); }
std::array<Mfn, 16> ldt_copies(Vcpu const& vcpu) { return copies(vcpu.descriptors.ldt); }

Status set_gdt(Vcpu& vcpu, std::span<Gfn const> frames, std::uint32_t entries) {
    auto& current = vcpu.descriptors.gdt;
    if (entries > kGuestGdtEntries || frames.size() != (entries + kPerFrame - 1) / kPerFrame)
        return Err{Error::invalid};
    std::array<DescriptorPage, 14> fresh{};
    for (std::size_t i = 0; i < frames.size(); ++i) {
        auto const page = make_page(vcpu.domain, frames[i]);
        if (!page) {
            for (auto& made : fresh)
                drop_page(vcpu.domain, made);
            return Err{page.error()};
        }
        fresh[i] = page.value();
    }
    {
        base::LockGuard const guard{vcpu.domain.descriptors_lock};
        std::swap(current, fresh);
        vcpu.descriptors.gdt_entries = entries;
    }
    if (live_here(vcpu))
        arch::install_gdt(copies(current));
    for (auto& old : fresh)
        drop_page(vcpu.domain, old);
    return {};
}

Status set_ldt(Vcpu& vcpu, Vaddr base, std::uint32_t entries) {
    if (entries > kMostLdtEntries || base.offset() != 0 || (entries != 0 && !guest_address(base)))
        return Err{Error::invalid};
    auto& tables = vcpu.descriptors;
    std::array<DescriptorPage, kLdtFrames> old{};
    {
        base::LockGuard const guard{vcpu.domain.descriptors_lock};
        std::swap(tables.ldt, old);
        tables.ldt_base = base;
        tables.ldt_entries = entries;
    }
    if (live_here(vcpu))
        arch::install_ldt(copies(tables.ldt), entries);
    for (auto& page : old)
        drop_page(vcpu.domain, page);
    return {};
}

bool fault_in_ldt(Vcpu& vcpu, std::uint64_t offset) {
    auto& tables = vcpu.descriptors;
    std::size_t const index = offset >> base::kPageShift;
    if (index >= kLdtFrames || index * kPerFrame >= tables.ldt_entries || tables.ldt[index].copy.valid())
        return false;
    auto& paging = vcpu.domain.paging;
    auto const resolved =
        paging.resolve(vcpu.kernel_root.tables, tables.ldt_base + (index << base::kPageShift), {.write = false});
    if (!resolved)
        return false;
    bool const own = resolved.value().kind == shadow_pt::TargetKind::own;
    Gfn const gfn = own ? vcpu.domain.gfn_of(resolved.value().frame) : Gfn{};
    paging.done(resolved.value());
    if (!gfn.valid())
        return false;
    auto const page = make_page(vcpu.domain, gfn);
    if (!page)
        return false;
    {
        base::LockGuard const guard{vcpu.domain.descriptors_lock};
        tables.ldt[index] = page.value();
    }
    arch::install_ldt(copies(tables.ldt), tables.ldt_entries);
    return true;
}

Status update_descriptor(Domain& domain, base::Gaddr at, std::uint64_t descriptor) {
    if (at.raw() % sizeof(std::uint64_t) != 0)
        return Err{Error::invalid};
    std::uint64_t const checked = TRY(emulate::checked_descriptor(descriptor));
    Gfn const gfn = frame_of(at);
    std::size_t const slot = at.offset() / sizeof(std::uint64_t);

    // An ordinary frame is held as writable while it is written; a descriptor frame stays one while it is held so.
    for (Use const use : {Use::writable, Use::descriptor}) {
        auto const held = domain.paging.hold(gfn, use);
        if (!held)
            continue;
        store(arch::frame_as<std::uint64_t>(held.value())[slot], checked);
        if (use == Use::descriptor) {
            base::LockGuard const guard{domain.descriptors_lock}; // a copy that is found here is not freed meanwhile
            for (Vcpu* const vcpu : domain.vcpus)
                for_each_descriptor_page(*vcpu, [&](DescriptorPage const& page) {
                    if (page.guest == held.value())
                        store(arch::frame_as<std::uint64_t>(page.copy)[slot], checked);
                });
        }
        domain.host.mark_dirty(held.value());
        domain.paging.unhold(held.value(), use);
        return {};
    }
    return Err{Error::invalid};
}

void drop_descriptors(Vcpu& vcpu) {
    Vcpu::Descriptors old{};
    {
        base::LockGuard const guard{vcpu.domain.descriptors_lock};
        std::swap(vcpu.descriptors, old);
    }
    for (auto& page : old.gdt)
        drop_page(vcpu.domain, page);
    for (auto& page : old.ldt)
        drop_page(vcpu.domain, page);
}

} // namespace domain
