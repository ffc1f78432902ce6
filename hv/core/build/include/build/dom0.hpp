/// Builds domain 0: writes a kernel, what it is told, and its first page tables into the domain's frames
/// (docs/abi.md §1.3 to §1.5).
///
///     Kernel const kernel = TRY(open_kernel(file));
///     InitialState const state = TRY(build_dom0(target, {.kernel = kernel, .nr_pages = ..., ...}));
///     fill_context(state, context);            // vCPU 0
///
/// The tables are ordinary memory when this returns: the caller makes them tables by pinning state.l4 (L4). Their
/// slots 256..271 are empty: shadows own those.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "abi/xen.hpp"
#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "build/hypercall_page.hpp"
#include "build/kernel.hpp"
#include "build/layout.hpp"
#include "build/refusal.hpp"

namespace build {

/// The domain's frames. Pfns 0 .. nr_pages - 1 are asked for, and no others.
template <typename T>
concept BuildTarget = requires(T& target, base::Pfn pfn, base::Gfn gfn) {
    { target.gfn_of(pfn) } -> std::same_as<base::Gfn>;  // the frame behind pfn, as the guest writes it
    { target.page(pfn) } -> std::same_as<std::byte*>;   // its 4096 bytes, scrubbed or not
    { target.set_m2p(gfn, pfn) } -> std::same_as<void>; // machine-to-phys table: gfn is pfn
};

struct Dom0Request {
    Kernel const& kernel;
    std::uint64_t nr_pages = 0;
    base::Bytes initrd; ///< empty: none
    std::string_view command_line;
    std::string_view more_arguments;                       ///< appended after a blank, if not empty
    base::Gaddr shared_info;                               ///< of the domain's shared info frame
    std::uint32_t flags = SIF_PRIVILEGED | SIF_INITDOMAIN; ///< SIF_MOD_START_PFN is added as needed
    std::optional<dom0_vga_console_info_t> console = std::nullopt;
};

/// vCPU 0 before its first instruction (docs/abi.md §1.4).
struct InitialState {
    base::Vaddr rip;
    base::Vaddr rsp;
    base::Vaddr start_info; ///< in RSI
    base::Pfn l4_pfn;
    base::Gfn l4; ///< to be pinned, and made the kernel base pointer
    Layout layout;
};

/// Writes @p state as the ABI's context; everything else in it is zero: no trap table, no GDT, no user root.
void fill_context(InitialState const& state, vcpu_guest_context_t& context);

/// Lays the domain out and checks that everything in @p request fits; writes nothing.
Expected<Layout> plan_dom0(Dom0Request const& request);

/// Lays the domain out, writes all of it, and says how it starts. Pages that belong to nothing in the layout are not
/// touched: they hold what the target put there.
template <BuildTarget Target> Expected<InitialState> build_dom0(Target& target, Dom0Request const& request);

// --- the steps of build_dom0 -----------------------------------------------------------------------------------------

/// Fills the 4096 bytes @p page with the start_info, and the console info behind it.
void fill_start_info(Dom0Request const& request, Layout const& layout, std::byte* page);

/// What a table entry for @p frame says: present, accessed, dirty, user; and writable, or not.
enum class Writable : bool { no, yes };
constexpr std::uint64_t table_entry(base::Gfn frame, Writable writable) {
    constexpr std::uint64_t present = 0x01, writable_bit = 0x02, user = 0x04, accessed = 0x20, dirty = 0x40;
    return address_of(frame).raw() | present | user | accessed | dirty | (writable == Writable::yes ? writable_bit : 0);
}

/// The frames of a domain as one run of bytes, from pfn 0 on.
template <BuildTarget Target> class DomainMemory {
  public:
    explicit DomainMemory(Target& target) : target_{target} {}

    void copy(std::uint64_t at, base::Bytes source) {
        in_pages(at, source.size(), [&](std::byte* to, std::size_t done, std::size_t count) {
            std::memcpy(to, source.data() + done, count);
        });
    }
    void zero(std::uint64_t at, std::uint64_t size) {
        in_pages(at, size, [](std::byte* to, std::size_t, std::size_t count) { std::memset(to, 0, count); });
    }
    void zero(PfnRange frames) { zero(frames.first.raw() << base::kPageShift, frames.count() << base::kPageShift); }

    void store(base::Pfn frame, std::size_t index, std::uint64_t word) {
        std::memcpy(target_.page(frame) + index * sizeof word, &word, sizeof word);
    }

  private:
    template <typename Visit> void in_pages(std::uint64_t at, std::uint64_t size, Visit&& visit) {
        for (std::uint64_t done = 0; done < size;) {
            auto const offset = (at + done) & base::kPageMask;
            auto const count = std::min(size - done, base::kPageSize - offset);
            visit(target_.page(base::Pfn{(at + done) >> base::kPageShift}) + offset, done, count);
            done += count;
        }
    }

    Target& target_;
};

template <BuildTarget Target> void load_kernel(DomainMemory<Target> memory, Kernel const& kernel) {
    memory.zero(kernel.extent);
    for (auto const& segment : kernel.image.segments)
        memory.copy(kernel.offset_of(segment.physical_address), segment.contents);
}

/// Writes the list of all frames, and its mirror image, the machine-to-phys table. The rest of its last page says
/// "no frame": guests extend the list in place.
template <BuildTarget Target> void write_p2m(Target& target, DomainMemory<Target> memory, Layout const& layout) {
    auto const slots = layout.p2m.count() * base::kTableEntries;
    for (std::uint64_t slot = 0; slot < slots; ++slot) {
        base::Pfn const pfn{slot};
        auto const gfn = slot < layout.nr_pages ? target.gfn_of(pfn) : base::Gfn{};
        if (gfn.valid())
            target.set_m2p(gfn, pfn);
        memory.store(layout.p2m.first + slot / base::kTableEntries, slot % base::kTableEntries, gfn.raw());
    }
}

/// Writes the tables of @p area, under the L4 @p l4, so that the pages of the stretch map the frames of @p content in
/// order. Frames of @p tables are mapped read-only.
template <BuildTarget Target>
void write_tables(Target& target, DomainMemory<Target> memory, TableArea const& area, base::Pfn l4, PfnRange content,
                  PfnRange tables) {
    auto const each_table = [&](unsigned level, auto&& visit) {
        for (std::uint64_t i = 0; i < area.count(level); ++i)
            visit(area.start() + i * TableArea::span_of(level));
    };
    auto const link = [&](base::Pfn table, base::Vaddr address, unsigned level, base::Pfn frame, Writable writable) {
        memory.store(table, base::table_index(address, level), table_entry(target.gfn_of(frame), writable));
    };

    each_table(3, [&](base::Vaddr at) { link(l4, at, 4, area.table(at, 3), Writable::yes); });
    each_table(2, [&](base::Vaddr at) { link(area.table(at, 3), at, 3, area.table(at, 2), Writable::yes); });
    each_table(1, [&](base::Vaddr at) { link(area.table(at, 2), at, 2, area.table(at, 1), Writable::yes); });
    for (std::uint64_t i = 0; i < content.count(); ++i) {
        auto const at = area.start() + (i << base::kPageShift);
        auto const frame = content.first + i;
        link(area.table(at, 1), at, 1, frame, tables.contains(frame) ? Writable::no : Writable::yes);
    }
}

template <BuildTarget Target> Expected<InitialState> build_dom0(Target& target, Dom0Request const& request) {
    Layout const layout = TRY(plan_dom0(request));
    // Beyond this point nothing can fail.
    DomainMemory<Target> memory{target};
    Kernel const& kernel = request.kernel;

    load_kernel(memory, kernel);
    if (auto const page = kernel.notes.hypercall_page)
        fill_hypercall_page(std::span<std::byte, base::kPageSize>{
            target.page(base::Pfn{(*page - layout.virt_base) >> base::kPageShift}), base::kPageSize});
    memory.zero(layout.initrd);
    memory.copy(layout.initrd.first.raw() << base::kPageShift, request.initrd);
    write_p2m(target, memory, layout);
    fill_start_info(request, layout, target.page(layout.start_info));

    auto const tables = layout.table_frames();
    auto const l4 = layout.tables.l4();
    memory.zero(tables);
    write_tables(target, memory, layout.tables, l4, {base::Pfn{0}, layout.mapped_end}, tables);
    if (auto const& own = layout.p2m_tables) {
        memory.zero({own->first(), own->first() + own->frames()});
        write_tables(target, memory, *own, l4, layout.p2m, tables);
    }
    memory.zero({layout.stack, layout.stack + 1});

    return InitialState{.rip = kernel.notes.entry,
                        .rsp = layout.address_of(layout.stack + 1),
                        .start_info = layout.address_of(layout.start_info),
                        .l4_pfn = l4,
                        .l4 = target.gfn_of(l4),
                        .layout = layout};
}

} // namespace build
