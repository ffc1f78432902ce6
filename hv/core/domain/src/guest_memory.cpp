#include "domain/guest_memory.hpp"

#include <algorithm>
#include <cstring>

#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "emulate/descriptor.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Status;
using base::Vaddr;

/// Calls @p visit(bytes of the hypervisor's view, offset) for each page piece of [@p at, @p at + @p size).
template <typename Visit>
Status for_each_piece(Vcpu& vcpu, Mode mode, Vaddr at, std::size_t size, shadow_pt::Access access, Visit&& visit) {
    Vcpu::Root const& root = vcpu.root_of(mode);
    if (!root.valid())
        return Err{Error::bad_address};
    auto& paging = vcpu.domain.paging;
    for (std::size_t done = 0; done < size;) {
        Vaddr const here = at + done;
        auto const piece = std::min<std::size_t>(size - done, base::kPageSize - here.offset());
        if (!guest_address(here))
            return Err{Error::bad_address};
        auto const page = TRY(paging.resolve(root.tables, here, access));
        visit(arch::direct_map(page.frame) + page.offset, done, piece);
        paging.done(page);
        if (access.write && mode == Mode::kernel && page.kind == shadow_pt::TargetKind::own)
            vcpu.domain.system.this_cpu().kernel_pages.remember(here, page.frame);
        done += piece;
    }
    return {};
}

} // namespace

Status copy_from_guest(Vcpu& vcpu, Mode mode, std::span<std::byte> to, Vaddr from) {
    return for_each_piece(vcpu, mode, from, to.size(), {.write = false},
                          [&](std::byte const* bytes, std::size_t done, std::size_t size) {
                              std::memcpy(to.data() + done, bytes, size);
                          });
}

Status copy_to_guest(Vcpu& vcpu, Mode mode, Vaddr to, std::span<std::byte const> from) {
    return for_each_piece(
        vcpu, mode, to, from.size(), {.write = true},
        [&](std::byte* bytes, std::size_t done, std::size_t size) { std::memcpy(bytes, from.data() + done, size); });
}

bool writable(Vcpu& vcpu, Vaddr at) {
    return for_each_piece(vcpu, vcpu.mode, at, 1, {.write = true}, [](std::byte*, std::size_t, std::size_t) {}).ok();
}

std::size_t fetch_instruction(Vcpu& vcpu, Vaddr at, std::span<std::byte, 15> into) {
    std::size_t fetched = 0;
    // An error ends it: what lies before the page that cannot be fetched may be the whole instruction.
    static_cast<void>(for_each_piece(vcpu, vcpu.mode, at, into.size(), {.write = false, .execute = true},
                                     [&](std::byte const* bytes, std::size_t done, std::size_t size) {
                                         std::memcpy(into.data() + done, bytes, size);
                                         fetched = done + size;
                                     }));
    return fetched;
}

emulate::CodeMode code_mode(Vcpu const& vcpu, std::uint16_t selector) {
    if (selector == FLAT_KERNEL_CS)
        return emulate::CodeMode::bits64;
    if (selector == FLAT_USER_CS32)
        return emulate::CodeMode::bits32;
    constexpr std::uint16_t kLocal = 4;
    std::size_t const index = selector >> 3;
    auto const& tables = vcpu.descriptors;
    base::Mfn page;
    if ((selector & kLocal) != 0)
        page = index / 512 < tables.ldt.size() ? tables.ldt[index / 512].copy : base::Mfn{};
    else
        page = index / 512 < tables.gdt.size() ? tables.gdt[index / 512].copy : base::Mfn{};
    if (!page.valid())
        return emulate::CodeMode::other;
    return emulate::code_mode(arch::frame_as<std::uint64_t>(page)[index % 512]);
}

} // namespace domain
