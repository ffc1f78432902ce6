/// What Tern knows of one machine frame: 32 bytes each, up to 2^32 frames (docs/shadow-paging.md SP-4).
///
///    0      16       20      22      24     28     32
///    +------+--------+-------+-------+------+------+
///    | state| refs   | owner | flags | gfn  | link |
///    +------+--------+-------+-------+------+------+
///
/// `state` belongs to shadow-pt: the use of the frame, its shadow, a stamp of the TLB clock. The rest is this room's.
/// A frame lives through
///
///     free run  ->  allocated (references >= 1)  ->  quarantined  ->  scrubbed, free run
///
/// Who holds a reference may read everything here, and the frame stays its owner's. Without one, `owner`, `flags` and
/// `gfn` are hints. `link`, and `gfn` of a free frame, are touched under the frame allocator's lock only; `link` of an allocated
/// frame counts its foreign writers, and is 0 when it is freed. Both are a pool's, of a page in a pool of shadows.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "mm/owner.hpp"
#include "shadow_pt/frame_state.hpp"

namespace mm {

inline constexpr std::uint64_t kMaxFrames = std::uint64_t{1} << 32;
inline constexpr std::uint32_t kNoGfn = ~std::uint32_t{0};

/// Bits of FrameInfo::flags; the lowest five hold the order of a free run.
enum FrameFlag : std::uint16_t {
    frame_order_mask = 0x1f,
    frame_free_run = 0x20,    ///< the first frame of a run in the free lists
    frame_unscrubbed = 0x40,  ///< of a free run: some bytes are not zero (memory as the firmware left it)
    frame_quarantined = 0x80, ///< free, but some CPU's TLB may still know it (SP-2)
    frame_counted = 0x100,    ///< counts against its owner's quota
    frame_in_gfn_map = 0x200, ///< the owner's gfn map holds one of the references
    frame_left_map = 0x400,   ///< it did, and its number there names it still (GfnMap::named)
};

struct FrameInfo {
    shadow_pt::FrameState state;
    std::atomic<std::uint32_t> references{0}; ///< 0: nobody's
    std::atomic<std::uint16_t> owner{kNobody.raw()};
    std::atomic<std::uint16_t> flags{0};
    std::atomic<std::uint32_t> gfn{kNoGfn}; ///< the owner's number for it; of a free run: the previous one
    std::uint32_t link{0};                  ///< the next free run, or the next in quarantine

    [[nodiscard]] base::DomId owner_id() const { return base::DomId{owner.load(std::memory_order_relaxed)}; }
    [[nodiscard]] bool has(FrameFlag flag) const { return (flags.load(std::memory_order_relaxed) & flag) != 0; }

    /// Of an allocated frame: how many entries of other domains may write to it (SP-21).
    [[nodiscard]] std::uint32_t foreign_writers() { return std::atomic_ref{link}.load(); }
    /// One more or less; answers how many there were.
    std::uint32_t count_foreign_writer(bool more) {
        std::atomic_ref const count{link};
        return more ? count.fetch_add(1) : count.fetch_sub(1);
    }

    /// The hypervisor's own page, which its owner may map (shared info, grant frames): never granted, never pinned,
    /// never dirty (SP-25).
    [[nodiscard]] bool special() const { return is_domain(owner_id()) && !has(frame_counted); }
};
static_assert(sizeof(FrameInfo) == 32);

} // namespace mm
