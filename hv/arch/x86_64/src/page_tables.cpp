#include "x86/page_tables.hpp"

#include "arch/cpu.hpp"
#include "base/assert.hpp"

namespace x86 {

namespace {

constexpr std::uint64_t page_bytes(unsigned level) { return base::kPageSize << (9 * (level - 1)); }

} // namespace

std::uint64_t& PageTableBuilder::entry(base::Vaddr address, unsigned level) {
    base::Mfn table = root_;
    for (unsigned above = 4; above > level; --above) {
        auto& up = arch::frame_as<std::uint64_t>(table)[base::table_index(address, above)];
        if ((up & kPresent) == 0)
            up = table_entry(take_frame_());
        ASSERT((up & kLarge) == 0);
        table = frame_in(up);
    }
    return arch::frame_as<std::uint64_t>(table)[base::table_index(address, level)];
}

void PageTableBuilder::link(base::Mfn table, base::Vaddr address, unsigned level, base::Mfn below) {
    arch::frame_as<std::uint64_t>(table)[base::table_index(address, level)] = table_entry(below);
}

void PageTableBuilder::map(base::Vaddr address, base::Maddr memory, std::uint64_t bytes, Rights rights) {
    ASSERT(address.offset() == 0 && memory.offset() == 0 && (bytes & base::kPageMask) == 0);
    for (std::uint64_t done = 0; done < bytes;) {
        base::Vaddr const at = address + done;
        base::Maddr const to = memory + done;
        unsigned level = largest_;
        while (level > 1 &&
               (((at.raw() | to.raw()) & (page_bytes(level) - 1)) != 0 || bytes - done < page_bytes(level)))
            --level;
        entry(at, level) = make_entry(frame_of(to), rights) | (level > 1 ? kLarge : 0);
        done += page_bytes(level);
    }
}

} // namespace x86
