/// The frame allocator: runs of machine frames for the domains and for the hypervisor itself.
///
/// Each frame is handed out with one reference and comes back when its last reference goes. On its way to the free
/// lists it passes two gates:
///
///   1. quarantine: no CPU's TLB knows it any more (SP-2, SP-11). Until then a guest that skipped a flush could still
///      write to it. Frames wait in order of arrival, and are looked at in batches.
///   2. scrub: its bytes are zeroed, after gate 1 and before it is listed. So whatever is in the free lists is zero,
///      except memory never used since boot, which is zeroed when it is handed out.
///
/// Any CPU may call any function, with locks below rank `frames` held. Zeroing happens with no lock of ours held.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/frame.hpp"
#include "base/lock.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "mm/flush_clock.hpp"
#include "mm/frame_table.hpp"
#include "mm/free_runs.hpp"
#include "mm/quota.hpp"

namespace mm {

enum class Contents : std::uint8_t {
    zero,
    any, ///< perhaps what firmware left, never another domain's: for who overwrites all of it, or may read everything
};

enum class Counting : std::uint8_t {
    none,         ///< the hypervisor's, or a special frame of a domain
    within_limit, ///< counts against the owner's quota: `no_memory` beyond it
    beyond_limit, ///< counts, but is not refused: an exchange, which gives others back at once
};

struct Request {
    base::DomId owner = kHypervisor;
    unsigned order = 0;         ///< 2^order frames, aligned to their size
    unsigned address_bits = 64; ///< the whole run lies below 2^address_bits bytes
    Contents contents = Contents::zero;
    Counting counting = Counting::none;

    /// RAM of a domain.
    static Request ram(base::DomId owner, unsigned order = 0) {
        return {.owner = owner, .order = order, .counting = Counting::within_limit};
    }
    /// A page of the hypervisor's that @p owner may map (FrameInfo::special).
    static Request special(base::DomId owner) { return {.owner = owner}; }
};

class FrameAllocator {
  public:
    /// Becomes the one to whom @p table hands frames whose last reference went. All arguments must outlive it.
    FrameAllocator(FrameTable& table, Accounts accounts, FlushClock clock);
    FrameAllocator(FrameAllocator const&) = delete;
    FrameAllocator& operator=(FrameAllocator const&) = delete;

    /// Gives the allocator RAM for the first time; its bytes are taken to be dirty. Start of day.
    void add_memory(base::Mfn first, std::uint64_t count);

    /// The first frame of a new run. Each of its frames has one reference, now the caller's: adopt or drop each.
    ///   too_big     order > kMaxOrder
    ///   no_memory   no such run, or beyond the owner's quota
    ///   again       it may be in quarantine, and the CPUs that hold it up have been asked: continue the call. Each
    ///               time there is less in quarantine, so it ends
    [[nodiscard]] base::Result<base::Mfn> allocate(Request const& request);
    /// The same for a single frame.
    [[nodiscard]] base::Result<FrameRef> allocate_frame(Request const& request);
    /// Drops one reference of each of the 2^@p order frames of a run.
    void give_back(base::Mfn first, unsigned order);

    /// Sets as many free frames aside for @p owner as it lacks to have @p frames in all (XENMEM_claim_pages): nobody else
    /// gets them, nor the hypervisor. What counts against its quota uses the claim up; 0 gives up what is left of it.
    ///   invalid    it has a claim, or as many frames already, or may not have so many
    ///   no_memory  there are not so many that nobody has claimed
    [[nodiscard]] base::Status claim(base::DomId owner, std::uint64_t frames);

    /// Moves up to @p most frames out of quarantine; answers how many. Idle CPUs, and those that have just flushed.
    std::size_t reclaim(std::size_t most);

    struct Statistics {
        std::uint64_t total = 0;       ///< ever added
        std::uint64_t free = 0;        ///< in the free lists
        std::uint64_t quarantined = 0; ///< on the way there
        std::uint64_t claimed = 0;     ///< of both, set aside for somebody
    };
    [[nodiscard]] Statistics statistics();
    [[nodiscard]] std::uint64_t free_in_zone(unsigned zone);

    [[nodiscard]] FrameTable& table() { return table_; }
    [[nodiscard]] Accounts const& accounts() const { return accounts_; }

  private:
    struct Pool {
        explicit Pool(FrameTable& table) : free{table} {}
        FreeRuns free;
        std::uint64_t total = 0;
        std::uint32_t oldest = 0; ///< quarantine, first in, first out, through FrameInfo::link; 0: empty
        std::uint32_t newest = 0;
        std::uint64_t quarantined = 0;
        std::uint64_t claimed = 0; ///< by all domains together

        /// Free now or soon, for somebody who has claimed @p own of it.
        [[nodiscard]] std::uint64_t left_for(std::uint64_t own) const {
            auto const all = free.frames() + quarantined;
            return all > claimed - own ? all - (claimed - own) : 0;
        }
    };

    [[nodiscard]] base::Result<base::Mfn> take_run(Request const& request);
    [[nodiscard]] std::uint32_t claim_of(Request const& request) const;
    void use_claim(Pool& pool, Request const& request);
    [[nodiscard]] base::Status charge(Request const& request);
    void hand_out(base::Mfn first, Request const& request);
    void last_reference_gone(base::Mfn frame);
    void scrub_and_list(base::Mfn frame);
    void quarantine(base::Mfn frame);
    [[nodiscard]] std::uint32_t stamp_of(base::Mfn frame);

    FrameTable& table_;
    Accounts accounts_;
    FlushClock clock_;
    base::Guarded<Pool, base::LockRank::frames> pool_;
};

} // namespace mm
