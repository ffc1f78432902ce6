/// Gfn -> Mfn, the one place where a guest's frame numbers become machine frames (docs/architecture.md).
///
///   translated domain  a radix tree over 32-bit gfns: 512 entries a page, three levels under a root of 32 entries
///   direct domain      the identity, for the frames that it owns and has not given up
///
/// An entry holds a reference to its frame (frame_in_gfn_map). What leaves the map is reachable no more by new
/// entries, though those that exist keep it alive (SP-2). A table that holds by its words alone must find it again: so an entry
/// that is cleared goes on naming the frame as long as that lives, or until forget(), and nothing else is put there. No lock is needed: entries change by atomic exchange, and
/// get() proves after it took its reference that the entry still stood. Table pages live until destroy().
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "mm/frame_allocator.hpp"
#include "mm/frame_table.hpp"

namespace mm {

enum class Translation : std::uint8_t { translated, direct };

/// Special gfns (shared info, grant frames, status frames, then mapped foreign frames) of a translated domain lie here,
/// outside of any RAM that a guest can have (SP-25).
inline constexpr base::Gfn kFirstSpecialGfn{(std::uint64_t{1} << 32) - (std::uint64_t{1} << 24)};
/// One past the last gfn of a translated domain.
inline constexpr base::Gfn kEndGfn{(std::uint64_t{1} << 32) - 1};

class GfnMap {
  public:
    GfnMap(FrameAllocator& allocator, base::DomId owner, Translation translation)
        : allocator_{allocator}, owner_{owner}, translation_{translation} {}
    GfnMap(GfnMap const&) = delete;
    GfnMap& operator=(GfnMap const&) = delete;
    ~GfnMap();

    [[nodiscard]] bool translated() const { return translation_ == Translation::translated; }

    /// A reference to the frame that the domain calls @p gfn; `not_found` if there is none. @p gfn may be anything.
    [[nodiscard]] base::Result<FrameRef> get(base::Gfn gfn);
    /// The same without the object around it: the caller gives the reference back; invalid if there is none.
    [[nodiscard]] base::Mfn hold(base::Gfn gfn);

    /// The first frame at or after @p cursor, below limit(), and @p cursor moves behind it; invalid if there is none. A hint:
    /// without a reference.
    [[nodiscard]] base::Mfn next(base::Gfn& cursor);

    /// Puts @p frame, which the domain owns, at @p gfn; the map keeps its reference. Direct domains: gfn == mfn.
    ///   exists     something is at @p gfn, or is named by it still, or the frame is in the map already
    ///   invalid    no gfn of this domain, or not its frame
    ///   no_memory, again   no page for the tree (as FrameAllocator::allocate)
    /// On an error the reference goes.
    [[nodiscard]] base::Status set(base::Gfn gfn, FrameRef frame);

    /// Takes what is at @p gfn out, with the map's reference; `not_found` if nothing is. Of two callers one gets it.
    [[nodiscard]] base::Result<FrameRef> clear(base::Gfn gfn);
    /// The frame @p frame, cleared, is not named by @p gfn any more. REQUIRES: nobody holds it by that number alone.
    void forget(base::Gfn gfn, base::Mfn frame);
    /// The frame that @p gfn names, or named before it was cleared; invalid if there is none. Without a reference: for who knows
    /// that there is one.
    [[nodiscard]] base::Mfn named(base::Gfn gfn);

    /// Calls @p visit(Gfn, Mfn) for what is in the map of a translated domain from @p cursor on, before @p end, in rising order,
    /// without taking references: the map may change meanwhile. It looks at @p budget entries or a few more; true: all.
    template <typename Visit> bool look_through(base::Gfn& cursor, base::Gfn end, std::uint32_t budget, Visit&& visit) {
        for (std::uint32_t looked = 0; cursor < end; ++looked) {
            if (looked >= budget)
                return false;
            Entry* const first = find(cursor);
            if (first == nullptr) {
                cursor = cursor + span_without_entries(cursor);
                continue;
            }
            auto const count = std::min(kEntriesAPage - cursor.raw() % kEntriesAPage, end - cursor);
            for (std::uint64_t i = 0; i < count; ++i)
                if (auto const entry = first[i].load(std::memory_order_acquire); (entry & kPresent) != 0)
                    visit(cursor + i, base::Mfn{static_cast<std::uint32_t>(entry)});
            cursor = cursor + count;
            looked += static_cast<std::uint32_t>(count);
        }
        return true;
    }

    /// Teardown: takes out the frames at and after @p cursor in rising order and hands each to @p visit(Gfn, FrameRef).
    /// After looking at @p budget entries it stops with `preempted`, @p cursor saying where to go on (SP-9).
    template <typename Visit>
    [[nodiscard]] base::Status clear_all(base::Gfn& cursor, std::uint32_t budget, Visit&& visit) {
        for (;;) {
            auto found = clear_next(cursor, budget);
            if (!found.ok())
                return found.error() == base::Error::not_found ? base::Status{}
                                                               : base::Status{base::Err{found.error()}};
            auto frame = std::move(found).value();
            base::Gfn const gfn = frame.gfn;
            visit(gfn, std::move(frame.reference));
        }
    }

    /// After clear_all(), when nobody can call get() any more: frees the tree, @p budget pages at a time, `preempted`
    /// while some are left.
    [[nodiscard]] base::Status destroy(std::uint32_t budget);

    /// How many frames of RAM are in the map of a translated domain.
    [[nodiscard]] std::uint64_t frames() const { return frames_.load(std::memory_order_relaxed); }
    /// One past the highest gfn that ever was in the map, special ones aside (XENMEM_maximum_gpfn).
    [[nodiscard]] base::Gfn limit() const { return base::Gfn{limit_.load(std::memory_order_relaxed)}; }

  private:
    /// An entry of the tree: a frame number in bits 0..31 and what it is; 0 is absent. Bits 34.. are kept for frames
    /// that have not arrived yet (post-copy).
    using Entry = std::atomic<std::uint64_t>;
    static constexpr std::uint64_t kPresent = std::uint64_t{1} << 32;
    static constexpr std::uint64_t kLeft = std::uint64_t{1} << 33; ///< cleared; names its frame still, if that lives
    static constexpr unsigned kRootEntries = 32;
    static constexpr std::uint64_t kEntriesAPage = 512;

    [[nodiscard]] base::Mfn hold_translated(base::Gfn gfn);
    [[nodiscard]] base::Mfn named_translated(base::Gfn gfn);

    struct Found {
        base::Gfn gfn;
        FrameRef reference;
    };

    [[nodiscard]] Entry* find(base::Gfn gfn);
    [[nodiscard]] base::Result<Entry*> find_or_make(base::Gfn gfn);
    [[nodiscard]] base::Result<base::Mfn> child_or_make(Entry& entry);
    [[nodiscard]] bool is_taken(std::uint64_t entry, base::Mfn by);
    [[nodiscard]] base::Result<FrameRef> clear_direct(base::Mfn frame);
    [[nodiscard]] base::Result<Found> clear_next(base::Gfn& cursor, std::uint32_t& budget);
    [[nodiscard]] bool free_below(Entry& entry, unsigned level, std::uint32_t& budget);
    [[nodiscard]] std::uint64_t span_without_entries(base::Gfn gfn);
    void entered(base::Gfn gfn);

    FrameAllocator& allocator_;
    base::DomId const owner_;
    Translation const translation_;
    std::atomic<std::uint64_t> limit_{0};
    std::atomic<std::uint64_t> frames_{0};
    std::array<Entry, kRootEntries> root_{};
};

// --- look-up in a direct domain: here, since it is what changes of entries ask for most ------------------------------------

inline base::Mfn GfnMap::hold(base::Gfn gfn) {
    if (translated())
        return hold_translated(gfn);
    auto& table = allocator_.table();
    base::Mfn const frame{gfn.raw()};
    if (!table.take_reference(frame).ok())
        return {};
    // With the reference neither can change any more. What was given up is kept alive by entries only.
    auto const& info = table.info(frame);
    if (info.owner_id() == owner_ && info.has(frame_in_gfn_map))
        return frame;
    table.drop_reference(frame);
    return {};
}

inline base::Mfn GfnMap::named(base::Gfn gfn) {
    if (translated())
        return named_translated(gfn);
    auto& table = allocator_.table();
    base::Mfn const frame{gfn.raw()};
    return table.valid(frame) && table.info(frame).owner_id() == owner_ ? frame : base::Mfn{};
}

} // namespace mm
