/// The machine's memory map: which physical addresses are RAM.
///
/// Firmware tells ranges in any order, overlapping and touching. An E820Map is what they mean:
///   (1) ranges are sorted, none is empty and none overlap;
///   (2) two ranges that touch differ in type;
///   (3) where the firmware's ranges overlapped, the less usable type won.
#pragma once

#include <cstdint>
#include <span>

#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"

namespace boot {

/// ACPI specification 6.4, table 15.4; numbers as in the guest's map (XENMEM_machine_memory_map).
/// From the most usable to the least: ram, acpi_tables, acpi_nvs, reserved, unusable.
enum class MemoryType : std::uint32_t {
    ram = 1,
    reserved = 2,
    acpi_tables = 3, ///< RAM once the tables have been read; Tern leaves them to dom0
    acpi_nvs = 4,
    unusable = 5, ///< RAM with errors
};

/// [start, end), in bytes.
struct MemoryRange {
    base::Maddr start;
    base::Maddr end;
    MemoryType type = MemoryType::reserved;

    constexpr bool operator==(MemoryRange const&) const = default;
};

/// [first, end), in frames.
struct FrameRange {
    base::Mfn first;
    base::Mfn end;

    [[nodiscard]] constexpr std::uint64_t count() const { return end - first; }
    constexpr bool operator==(FrameRange const&) const = default;
};

/// The frames that @p start .. @p end touches, also with a single byte: what to avoid, not what to use.
FrameRange frames_around(base::Maddr start, base::Maddr end);

/// A wish for contiguous RAM.
struct SpaceRequest {
    enum class From : std::uint8_t { bottom, top };

    std::uint64_t frames = 1;
    std::uint64_t alignment = 1;             ///< in frames, a power of two
    base::Mfn lowest{1};                     ///< frame 0 is never given
    base::Mfn limit{std::uint64_t{1} << 40}; ///< first frame that will not do
    std::span<FrameRange const> avoid;       ///< in any order; may overlap
    From from = From::bottom;
};

class E820Map {
  public:
    static constexpr std::size_t kMaxFirmwareRanges = 128;
    /// n overlapping ranges have at most 2n - 1 pieces; each retyping adds at most two.
    static constexpr std::size_t kMaxRanges = 2 * kMaxFirmwareRanges + 64;

    /// Becomes the meaning of @p told (unsorted, overlapping; empty ones are skipped). no_space if there are more than
    /// kMaxFirmwareRanges.
    base::Status assign(std::span<MemoryRange const> told);

    [[nodiscard]] std::span<MemoryRange const> ranges() const { return ranges_; }

    /// Makes the RAM within [start, end) @p type. RAM only: what is not RAM stays what it is.
    base::Status retype_ram(base::Maddr start, base::Maddr end, MemoryType type = MemoryType::reserved);

    /// Makes all RAM at and above @p limit reserved (the option mem=).
    base::Status clip(base::Maddr limit) { return retype_ram(limit, base::Maddr{~std::uint64_t{0}}); }

    /// Calls @p visit(FrameRange) for each run of whole RAM frames, in rising order.
    template <typename Visit> void for_each_ram(Visit&& visit) const {
        for (auto const& range : ranges_)
            if (auto const frames = whole_frames(range); range.type == MemoryType::ram && frames.count() != 0)
                visit(frames);
    }

    [[nodiscard]] std::uint64_t ram_frames() const; ///< whole frames of RAM
    [[nodiscard]] base::Mfn end_of_ram() const;     ///< the first frame after all RAM; frame 0 if there is none

    /// True if all of [first, end) is RAM.
    [[nodiscard]] bool is_ram(FrameRange frames) const;

    /// Finds @p request.frames contiguous whole frames of RAM. They are not taken: retype_ram or `avoid` does that.
    /// Errors: no_memory (no such place), invalid (no frames, or an alignment that is no power of two).
    [[nodiscard]] base::Result<base::Mfn> find_space(SpaceRequest const& request) const;

  private:
    /// The frames that lie wholly within @p range; an empty run if there are none.
    static FrameRange whole_frames(MemoryRange const& range);
    void merge_neighbours(); ///< makes invariant (2) true again

    base::FixedVector<MemoryRange, kMaxRanges> ranges_;
};

} // namespace boot
