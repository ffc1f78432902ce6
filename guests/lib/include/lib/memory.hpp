/// Memory: pages to test with, the page tables that the guest runs on, and the hypercalls that change them.
///
/// A guest's frame number is a base::Gfn: for dom0, a machine frame. The initial mapping shows pseudo-physical frame n
/// at kVirtBase + n pages; the machine-to-phys table at the start of the hypervisor's hole leads from a machine frame
/// back to n.
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "lib/hypercall.hpp"

namespace lib {

using Frame = base::Gfn;
using Entry = std::uint64_t;

inline constexpr std::uint64_t kPageSize = base::kPageSize;
inline constexpr unsigned kEntries = base::kTableEntries;

/// Bits of a page-table entry.
enum EntryBits : Entry {
    kPresent = 1,
    kRw = 2,
    kUser = 4,
    kWriteThrough = 8,
    kCacheDisable = 16,
    kAccessed = 0x20,
    kDirty = 0x40,
    kPageSizeBit = 0x80,
    kGlobal = 0x100,
    kAvailable0 = 0x200,
    kNoExecute = Entry{1} << 63,
    kReadOnly = kPresent | kUser | kAccessed,
    kWritable = kReadOnly | kRw | kDirty,
    kTable = kWritable, ///< an entry that leads to a lower table
    kFrameBits = 0x000f'ffff'ffff'f000,
};

constexpr Entry entry(Frame frame, Entry bits) { return frame.raw() << base::kPageShift | bits; }
constexpr Frame frame_in(Entry entry) { return Frame{(entry & kFrameBits) >> base::kPageShift}; }

/// A page of the guest's RAM, seen through the initial mapping.
class Page {
  public:
    explicit Page(std::uint64_t pfn) : pfn_{pfn} {}

    [[nodiscard]] std::uint64_t pfn() const { return pfn_; }
    [[nodiscard]] Frame frame() const;
    [[nodiscard]] std::uint64_t address() const { return frame().raw() << base::kPageShift; } ///< machine address
    [[nodiscard]] std::uint64_t va() const;
    [[nodiscard]] Entry* entries() const { return reinterpret_cast<Entry*>(va()); }
    [[nodiscard]] Entry volatile& operator[](unsigned slot) const { return entries()[slot]; }
    /// The machine address of an entry in it: what mmu_update takes.
    [[nodiscard]] std::uint64_t address_of(unsigned slot) const { return address() + slot * sizeof(Entry); }

    /// Remaps it in the initial mapping; the answer of update_va_mapping.
    std::int64_t make_read_only() const;
    std::int64_t make_writable() const;

  private:
    std::uint64_t pfn_;
};

/// A page that nothing uses yet, zeroed and mapped writable. Never given back: no test meets what another one left.
Page fresh_page();
/// Pages that follow each other.
Page fresh_pages(unsigned count);

/// The page of RAM that has this machine frame, by the machine-to-phys table.
Page page_of(Frame frame);
/// The machine frame that pseudo-physical frame @p pfn is, by the list that the domain builder left.
Frame frame_of_pfn(std::uint64_t pfn);

/// The guest's frame numbers are its own, Gfn == Pfn, and say nothing of where in the machine its memory lies: so on Tern
/// for every domU.
bool is_translated();

/// The L4 that the domain builder made; the guest runs on it.
Page root_table();

/// One entry of a page table.
struct Place {
    Page table;
    unsigned slot;

    [[nodiscard]] Entry read() const { return table[slot]; }
    [[nodiscard]] std::uint64_t address() const { return table.address_of(slot); }
};
/// The entry of level @p level that maps @p va in the current kernel tables. All above it must be present.
Place place_of(std::uint64_t va, unsigned level = 1);
template <typename T> Place place_of(T* what) { return place_of(reinterpret_cast<std::uint64_t>(what)); }

constexpr unsigned slot_of(std::uint64_t va, unsigned level) { return va >> (3 + 9 * level) & 511; }

/// The initial mapping ends here: above it, in the same L2, nothing is mapped.
std::uint64_t end_of_initial_mapping();

/// A place to try entries in: L1, L2 and L3 of a test's own below a free slot of the root. Its tables are seen through
/// the initial mapping, read-only.
struct Window {
    unsigned root_slot;
    Page l3, l2, l1;
    std::uint64_t base;

    [[nodiscard]] std::uint64_t va(unsigned slot) const { return base + slot * kPageSize; }
    template <typename T = std::uint64_t> [[nodiscard]] T volatile& at(unsigned slot, unsigned offset = 0) const {
        return *reinterpret_cast<T volatile*>(va(slot) + offset);
    }
    /// mmu_update of one L1 entry.
    std::int64_t set(unsigned slot, Entry entry) const; // NOLINT: a verb on a place, not on the object
    /// The entry as it stands in the guest's table.
    [[nodiscard]] Entry entry(unsigned slot) const { return l1[slot]; }
};
enum class Half { user, kernel };
/// In the next free root slot of that half.
Window make_window(Half half = Half::kernel);
Window make_window_at(unsigned root_slot);

/// Reads @p what, for the read's sake.
template <typename T> void touch(T const volatile& what) { [[maybe_unused]] T const seen = what; }

// --- the hypercalls, one operation at a time --------------------------------------------------------------------------

/// mmu_update: @p address may carry a command in its low bits (MMU_NORMAL_PT_UPDATE is 0).
std::int64_t update_entry(std::uint64_t address, Entry value, std::uint64_t domain = DOMID_SELF);
/// mmuext_op with one operation.
std::int64_t mmuext(unsigned command, std::uint64_t arg1 = 0, std::uint64_t arg2 = 0);

std::int64_t pin(unsigned level, Frame frame);
std::int64_t unpin(Frame frame);
std::int64_t new_root(Frame frame);
std::int64_t new_user_root(Frame frame);
void flush_tlb();
void flush_page(std::uint64_t va);

} // namespace lib
