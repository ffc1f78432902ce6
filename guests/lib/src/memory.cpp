#include "lib/memory.hpp"

#include "lib/guest.hpp"

namespace lib {
namespace {

constexpr std::uint64_t kVirtBase = 0xffff'ffff'8000'0000;

/// The domain builder maps up to the next 4 MiB above its last element, the boot stack, and at least 512 KiB more.
std::uint64_t end_of_boot_stack() { return startup().pt_base + (startup().nr_pt_frames + 1) * kPageSize; }

std::uint64_t pages_taken = 0;

} // namespace

std::uint64_t end_of_initial_mapping() {
    constexpr std::uint64_t kUnit = 4 << 20, kLeast = 512 << 10;
    return (end_of_boot_stack() + kLeast + kUnit - 1) / kUnit * kUnit;
}

Frame Page::frame() const { return frame_of_pfn(pfn_); }
std::uint64_t Page::va() const { return kVirtBase + pfn_ * kPageSize; }
std::int64_t Page::make_read_only() const { return update_va_mapping(va(), lib::entry(frame(), kReadOnly)); }
std::int64_t Page::make_writable() const { return update_va_mapping(va(), lib::entry(frame(), kWritable)); }

Page fresh_pages(unsigned count) {
    Page const first{(end_of_boot_stack() - kVirtBase) / kPageSize + pages_taken};
    pages_taken += count;
    if (first.va() + count * kPageSize > end_of_initial_mapping()) {
        print("# the initial mapping has no page left\n");
        shut_down(Verdict::failed);
    }
    __builtin_memset(first.entries(), 0, count * kPageSize);
    return first;
}

Page fresh_page() { return fresh_pages(1); }

Page page_of(Frame frame) { return Page{reinterpret_cast<std::uint64_t const*>(MACH2PHYS_VIRT_START)[frame.raw()]}; }

Frame frame_of_pfn(std::uint64_t pfn) { return Frame{reinterpret_cast<std::uint64_t const*>(startup().mfn_list)[pfn]}; }

bool is_translated() {
    std::uint64_t const last = startup().nr_pages - 1;
    return frame_of_pfn(0).raw() == 0 && frame_of_pfn(last).raw() == last;
}

Page root_table() { return Page{(startup().pt_base - kVirtBase) / kPageSize}; }

Place place_of(std::uint64_t va, unsigned level) {
    Page table = root_table();
    for (unsigned at = 4; at > level; --at)
        table = page_of(frame_in(table[slot_of(va, at)]));
    return {table, slot_of(va, level)};
}

std::int64_t Window::set(unsigned slot, Entry entry) const { return update_entry(l1.address_of(slot), entry); }

Window make_window(Half half) {
    unsigned slot = half == Half::kernel ? 272 : 1;
    while ((root_table()[slot] & kPresent) != 0)
        ++slot;
    return make_window_at(slot);
}

Window make_window_at(unsigned root_slot) {
    std::uint64_t const sign = root_slot >= kEntries / 2 ? 0xffff'0000'0000'0000 : 0;
    Window const window{root_slot, fresh_page(), fresh_page(), fresh_page(), sign | std::uint64_t{root_slot} << 39};
    window.l3[0] = entry(window.l2.frame(), kTable);
    window.l2[0] = entry(window.l1.frame(), kTable);
    std::int64_t refused = 0;
    for (Page const table : {window.l1, window.l2, window.l3})
        refused |= table.make_read_only();
    refused |= update_entry(root_table().address_of(root_slot), entry(window.l3.frame(), kTable));
    if (refused != 0) {
        print("# no window: ", refused, "\n");
        shut_down(Verdict::failed);
    }
    return window;
}

std::int64_t update_entry(std::uint64_t address, Entry value, std::uint64_t domain) {
    mmu_update_t const update{.ptr = address, .val = value};
    return mmu_updates(&update, 1, nullptr, domain);
}

std::int64_t mmuext(unsigned command, std::uint64_t arg1, std::uint64_t arg2) {
    struct mmuext_op operation {};
    operation.cmd = command;
    operation.arg1.mfn = arg1;
    operation.arg2.nr_ents = static_cast<unsigned>(arg2);
    if (arg2 >> 32 != 0)
        operation.arg2.vcpumask.p = reinterpret_cast<void const*>(arg2);
    return mmuext_ops(&operation, 1);
}

std::int64_t pin(unsigned level, Frame frame) { return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, frame.raw()); }
std::int64_t unpin(Frame frame) { return mmuext(MMUEXT_UNPIN_TABLE, frame.raw()); }
std::int64_t new_root(Frame frame) { return mmuext(MMUEXT_NEW_BASEPTR, frame.raw()); }
std::int64_t new_user_root(Frame frame) { return mmuext(MMUEXT_NEW_USER_BASEPTR, frame.raw()); }
void flush_tlb() { mmuext(MMUEXT_TLB_FLUSH_LOCAL); }
void flush_page(std::uint64_t va) { mmuext(MMUEXT_INVLPG_LOCAL, va); }

} // namespace lib
