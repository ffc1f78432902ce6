/// The mapper's side: what a domain has mapped by grants, by handle.
///
/// A handle is free, *reserved* (a map operation is under way), or a *mapping*. Taking a mapping apart happens in two
/// steps, because between them the entry is cleared and TLBs are flushed, and no lock is held for that:
///
///     Unmapping const work = TRY(track.begin_unmap(handle, paths));   // claims those paths: nobody else gets them
///     ...                                                              // clear the entry, flush
///     track.finish_unmap(work);                                        // or cancel_unmap(work)
///
/// All functions: with the table's lock held (grants/lock.hpp).
#pragma once

#include <cstdint>

#include "base/number.hpp"
#include "base/result.hpp"
#include "grants/access.hpp"
#include "grants/grant_table.hpp"
#include "grants/paged_array.hpp"
#include "grants/status.hpp"

namespace grants {

/// What one handle stands for.
struct Mapping {
    base::DomId granter;
    Pin pin;
    std::uint64_t host_address = 0; ///< as the guest gave it; its meaning is in `flags`
    MapFlags flags;
};

/// Paths of a mapping that are being taken apart.
struct Unmapping {
    base::GrantHandle handle;
    Mapping mapping; ///< mapping.pin.paths: those that were claimed, which GrantTable::end() is to be told
};

class MapTrack {
  public:
    static constexpr std::uint32_t kMaxFrames = 1024;

    MapTrack(mm::FrameAllocator& frames, std::uint32_t max_frames);

    /// A handle for a map operation. no_space if there are no more.
    [[nodiscard]] Result<base::GrantHandle> reserve();
    /// The operation failed.
    void abandon(base::GrantHandle handle);
    /// The operation succeeded: from now on the handle can be unmapped.
    void commit(base::GrantHandle handle, Mapping const& mapping);

    /// Claims those of @p paths that the mapping has, which may be none: then there is nothing to do, and that is fine.
    ///   bad_handle   not a mapping, or all of it is being taken apart already
    [[nodiscard]] Result<Unmapping> begin_unmap(base::GrantHandle handle, Paths paths);
    /// They are gone; with the last one the handle is free.
    void finish_unmap(Unmapping const& unmapping);
    /// They are still there.
    void cancel_unmap(Unmapping const& unmapping);

    /// Teardown of the mapper: the first mapping at or after @p from, or bad_handle if there is none.
    [[nodiscard]] Result<base::GrantHandle> next(base::GrantHandle from);

    /// Handles that are not free.
    [[nodiscard]] std::uint32_t in_use() const { return in_use_; }
    [[nodiscard]] std::uint32_t max_frames() const { return max_frames_; }

  private:
    enum class State : std::uint8_t { free, reserved, mapped };
    struct Entry {
        std::uint64_t host_address = 0;
        std::uint32_t ref = 0; ///< of a free entry: the next free one, plus 1; 0: none
        std::uint32_t frame = 0;
        std::uint32_t flags = 0;
        std::uint16_t granter = 0;
        State state = State::free;
        std::uint8_t paths = 0; ///< bits 0, 1: held through host, device; bits 2, 3: of these, claimed by an unmap
    };
    static_assert(sizeof(Entry) == 24);

    [[nodiscard]] Status grow();
    void chain(std::uint32_t handle);
    void put_back(base::GrantHandle handle);
    [[nodiscard]] Entry& claimed_by(Unmapping const& unmapping);

    std::uint32_t max_frames_;
    PagedArray<Entry, kMaxFrames> entries_;
    std::uint32_t first_free_ = 0; ///< plus 1; 0: none
    std::uint32_t in_use_ = 0;
};

} // namespace grants
