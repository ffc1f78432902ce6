#include "build/layout.hpp"

#include <algorithm>
#include <limits>

namespace build {

using base::Error;
using base::Pfn;
using base::Vaddr;

namespace {

constexpr std::uint64_t kMappingFrames = (std::uint64_t{4} << 20) >> base::kPageShift;  // ends at a multiple of this
constexpr std::uint64_t kLeastPadding = (std::uint64_t{512} << 10) >> base::kPageShift; // free behind the stack
constexpr std::uint64_t kMostPages = std::uint64_t{1} << (52 - base::kPageShift);       // as many as can have addresses

/// The hypervisor's slots of every L4 (docs/abi.md §2.1).
constexpr unsigned kFirstHvSlot = 256;
constexpr unsigned kLastHvSlot = 271;

/// Hands out the frames of the domain, one after the other.
class Cursor {
  public:
    PfnRange take(std::uint64_t frames) {
        auto const first = next_;
        next_ = next_ + frames;
        return {first, next_};
    }
    [[nodiscard]] Pfn next() const { return next_; }
    void move_to(Pfn pfn) { next_ = pfn; }

  private:
    Pfn next_{0};
};

unsigned slot(Vaddr address) { return base::table_index(address, 4); }

/// Checks that @p frames pages from @p start on are addresses that a guest may use, and answers their last byte.
Expected<Vaddr> last_byte_of(Vaddr start, std::uint64_t frames) {
    if (start.offset() != 0)
        return refuse("layout: an address is not page aligned");
    auto const bytes = frames << base::kPageShift;
    if (bytes - 1 > std::numeric_limits<std::uint64_t>::max() - start.raw())
        return refuse("layout: memory would be mapped past the end of the address space");
    auto const last = start + (bytes - 1);
    if (!canonical(start) || !canonical(last) || (start.raw() >> 63) != (last.raw() >> 63))
        return refuse("layout: an address is not canonical");
    bool const hypervisors = slot(start) <= kLastHvSlot && slot(last) >= kFirstHvSlot;
    if (hypervisors)
        return refuse("layout: an address is the hypervisor's");
    return last;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

/// Places everything that the initial mapping holds, with @p table_frames for its own tables.
Layout place_mapped(LayoutRequest const& request, std::uint64_t table_frames) {
    Layout layout;
    layout.nr_pages = request.nr_pages;
    layout.virt_base = request.virt_base;
    layout.kernel = request.kernel;

    Cursor cursor;
    cursor.move_to(request.kernel.end);
    if (!request.initrd_outside)
        layout.initrd = cursor.take(base::frames_for(request.initrd_bytes));
    if (!request.init_p2m) {
        layout.p2m = cursor.take(base::frames_for(request.nr_pages * sizeof(std::uint64_t)));
        layout.p2m_address = layout.address_of(layout.p2m.first);
    }
    layout.start_info = cursor.take(1).first;
    auto const tables = cursor.take(table_frames);
    layout.stack = cursor.take(1).first;

    // It is the address that ends at a multiple, not the pfn; counted in frames, the very last one does not overflow.
    auto const base_frame = request.virt_base.raw() >> base::kPageShift;
    auto const end_frame = round_up(base_frame + cursor.next().raw() + kLeastPadding, kMappingFrames);
    layout.mapped_end = Pfn{end_frame - base_frame};
    auto const last = Vaddr{layout.address_of(layout.mapped_end).raw() - 1};
    layout.tables = TableArea{tables.first, request.virt_base, last, TableArea::Root::first};
    return layout;
}

} // namespace

Expected<Layout> plan_layout(LayoutRequest const& request) {
    constexpr std::string_view too_small =
        "layout: the domain has too little memory for its kernel and what goes with it";
    if (request.nr_pages == 0 || request.nr_pages > kMostPages || request.kernel.end.raw() > request.nr_pages ||
        request.initrd_bytes > request.nr_pages << base::kPageShift)
        return refuse(Error::no_memory, too_small);

    // More tables may need more padding, and more padding more tables: upwards until it fits.
    Layout layout = place_mapped(request, 1);
    for (;;) {
        if (layout.mapped_end.raw() > request.nr_pages)
            return refuse(Error::no_memory, too_small);
        TRY(last_byte_of(request.virt_base, layout.mapped_end.raw()));
        auto const needed = layout.tables.frames();
        if (layout.tables.first() + needed == layout.stack)
            break;
        layout = place_mapped(request, needed);
    }

    Cursor cursor;
    cursor.move_to(layout.mapped_end);
    if (request.initrd_outside)
        layout.initrd = cursor.take(base::frames_for(request.initrd_bytes));
    if (request.init_p2m) {
        layout.p2m = cursor.take(base::frames_for(request.nr_pages * sizeof(std::uint64_t)));
        layout.p2m_address = *request.init_p2m;
        Vaddr const last = TRY(last_byte_of(layout.p2m_address, layout.p2m.count()));
        bool const apart =
            slot(last) < slot(layout.tables.start()) || slot(layout.tables.last()) < slot(layout.p2m_address);
        if (!apart)
            return refuse("layout: the p2m list's address is in the way of the initial mapping");
        TableArea const own{cursor.next(), layout.p2m_address, last, TableArea::Root::elsewhere};
        cursor.take(own.frames());
        layout.p2m_tables = own;
    }
    if (cursor.next().raw() > request.nr_pages)
        return refuse(Error::no_memory, too_small);
    return layout;
}

} // namespace build
