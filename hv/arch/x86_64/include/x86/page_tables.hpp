/// The hypervisor's own translations: entries, and a builder for them.
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "base/function_ref.hpp"

namespace x86 {

/// Bits of an entry (SDM vol. 3A §4.5).
inline constexpr std::uint64_t kPresent = 1U << 0;
inline constexpr std::uint64_t kWritable = 1U << 1;
inline constexpr std::uint64_t kUser = 1U << 2;
inline constexpr std::uint64_t kUncached = 1U << 4 | 1U << 3; ///< PCD and PWT: entry 3 of the PAT
inline constexpr std::uint64_t kAccessed = 1U << 5;
inline constexpr std::uint64_t kDirty = 1U << 6;
inline constexpr std::uint64_t kLarge = 1U << 7;
inline constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;

/// What may be done with a page. Nothing is both writable and executable.
enum class Rights : std::uint64_t {
    read = kPresent | kAccessed | kNoExecute,
    write = kPresent | kAccessed | kDirty | kWritable | kNoExecute,
    execute = kPresent | kAccessed,
    device = kPresent | kAccessed | kDirty | kWritable | kNoExecute | kUncached,
    guest_read = kPresent | kAccessed | kNoExecute | kUser,
};

constexpr std::uint64_t make_entry(base::Mfn frame, Rights rights) {
    return frame.raw() << base::kPageShift | static_cast<std::uint64_t>(rights);
}
/// The frame that a present entry names.
constexpr base::Mfn frame_in(std::uint64_t entry) {
    return base::Mfn{(entry & 0x000f'ffff'ffff'f000) >> base::kPageShift};
}

/// Gives a zeroed frame for a table. There is one, or the machine is too small to start.
using TableSource = base::FunctionRef<base::Mfn()>;

/// Fills an address space that no CPU uses yet, under one root. Tables are reached through the direct map.
class PageTableBuilder {
  public:
    /// @p largest: the highest level at which a page may be mapped: 3 where the CPU has pages of 1 GiB, else 2.
    PageTableBuilder(base::Mfn root, TableSource take_frame, unsigned largest)
        : root_{root}, take_frame_{take_frame}, largest_{largest} {}

    /// Maps @p bytes at @p address to @p memory, all page aligned, with the largest pages that fit. What was mapped
    /// there must have been so with the same page sizes.
    void map(base::Vaddr address, base::Maddr memory, std::uint64_t bytes, Rights rights);

    /// The entry for @p address in the table of @p level. Tables above it are made if they are not there.
    std::uint64_t& entry(base::Vaddr address, unsigned level);

    [[nodiscard]] base::Mfn root() const { return root_; }

    /// An entry for the table @p table: it limits nothing, what the entries below say counts.
    static constexpr std::uint64_t table_entry(base::Mfn table) {
        return table.raw() << base::kPageShift | kPresent | kWritable | kUser | kAccessed;
    }
    /// Puts @p below into @p table, a table of @p level, where it translates @p address.
    static void link(base::Mfn table, base::Vaddr address, unsigned level, base::Mfn below);

  private:
    base::Mfn root_;
    TableSource take_frame_;
    unsigned largest_;
};

} // namespace x86
