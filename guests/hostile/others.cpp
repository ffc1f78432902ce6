#include "others.hpp"

#include "lib/grants.hpp"
#include "lib/guest.hpp"

namespace {

using lib::Frame;

struct [[gnu::packed]] Range {
    std::uint64_t address, size;
    std::uint32_t type;
};
constexpr std::uint32_t kRam = 1;
constexpr std::uint64_t kFirst = 0x100;  ///< 1 MiB
constexpr std::uint64_t kLast = 0x40000; ///< 1 GiB is enough of them

bool own(Frame frame) {
    std::uint64_t const pfn = lib::page_of(frame).pfn();
    return pfn < lib::startup().nr_pages && lib::frame_of_pfn(pfn) == frame;
}

/// The machine's RAM by its map; or, for who is not shown it, all below the highest frame. Answers how many ranges.
unsigned find_ram(Range (&ranges)[128]) {
    xen_memory_map_t map{};
    map.nr_entries = 128;
    map.buffer.p = ranges;
    if (lib::memory_op(XENMEM_machine_memory_map, &map) == 0)
        return map.nr_entries;
    auto const end = static_cast<std::uint64_t>(lib::memory_op(XENMEM_maximum_ram_page, nullptr));
    ranges[0] = {.address = 0, .size = end << 12, .type = kRam};
    return 1;
}

/// The hypervisor's, but shown to the guest: shared_info, the grant table.
class Shown {
  public:
    Shown() {
        static_cast<void>(lib::grant(0).flags); // as large as it will be
        gnttab_query_size_t size{};
        size.dom = DOMID_SELF;
        lib::grant_table_op(GNTTABOP_query_size, &size);
        gnttab_setup_table_t setup{};
        setup.dom = DOMID_SELF;
        setup.nr_frames = size.nr_frames < kMost ? size.nr_frames : kMost;
        setup.frame_list.p = grants_;
        lib::grant_table_op(GNTTABOP_setup_table, &setup);
    }
    [[nodiscard]] bool has(Frame frame) const {
        for (xen_pfn_t const grant : grants_)
            if (grant == frame.raw())
                return true;
        return frame.raw() == lib::startup().shared_info >> 12;
    }

  private:
    static constexpr unsigned kMost = 64;
    xen_pfn_t grants_[kMost] = {};
};

} // namespace

Others const& Others::get() {
    static Others const all;
    return all;
}

Others::Others() {
    static Range ranges[128];
    unsigned const count = find_ram(ranges);
    Shown const shown;
    for (unsigned i = 0; i < count; ++i) {
        if (ranges[i].type != kRam)
            continue;
        std::uint64_t const end = (ranges[i].address + ranges[i].size) >> 12;
        for (std::uint64_t raw = (ranges[i].address + 0xfff) >> 12; raw < end && raw < kLast; ++raw)
            if (Frame const frame{raw}; raw >= kFirst && !own(frame) && !shown.has(frame))
                add(frame);
    }
}

void Others::add(Frame frame) {
    if (runs_ == 0 || run_[runs_ - 1].end != frame) {
        if (runs_ == kMostRuns)
            return;
        run_[runs_++] = {frame, frame};
    }
    run_[runs_ - 1].end = frame + 1;
    ++count_;
}

Frame Others::at(std::uint64_t index) const {
    for (unsigned i = 0; i < runs_; ++i) {
        std::uint64_t const size = run_[i].end - run_[i].first;
        if (index < size)
            return run_[i].first + index;
        index -= size;
    }
    return run_[0].first;
}
