#include "mm/frame_allocator.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "arch/cpu.hpp"

namespace mm {

using base::Err;
using base::Error;
using base::Mfn;

namespace {

/// Frames that leave quarantine in one go: looked at under the lock, zeroed without it.
constexpr std::size_t kBatch = 32;
/// Such batches in one allocation at most (SP-9): some 0.1 ms of zeroing.
constexpr unsigned kBatchesPerCall = 16;
/// Every so many frames in quarantine, the CPUs that hold them up are asked to flush.
constexpr std::uint64_t kAskEvery = 256;

void scrub(Mfn first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i)
        std::memset(arch::direct_map(first + i), 0, base::kPageSize);
}

} // namespace

FrameAllocator::FrameAllocator(FrameTable& table, Accounts accounts, FlushClock clock)
    : table_{table}, accounts_{accounts}, clock_{clock}, pool_{table} {
    table.on_last_drop([](void* self, Mfn frame) { static_cast<FrameAllocator*>(self)->last_reference_gone(frame); },
                       this);
}

void FrameAllocator::add_memory(Mfn first, std::uint64_t count) {
    if (first.raw() == 0 && count != 0) { // frame 0 ends the free lists
        ++first;
        --count;
    }
    ASSERT(count <= table_.size() && first.raw() <= table_.size() - count);
    pool_.with([&](Pool& pool) {
        pool.total += count;
        while (count != 0) {
            // The largest aligned run that begins here.
            auto const aligned = static_cast<unsigned>(std::countr_zero(first.raw()));
            auto const fits = static_cast<unsigned>(std::bit_width(count)) - 1;
            unsigned const order = std::min({aligned, fits, kMaxOrder});
            pool.free.put(first, order, true);
            first = first + (std::uint64_t{1} << order);
            count -= std::uint64_t{1} << order;
        }
    });
}

// --- out -----------------------------------------------------------------------------------------------------------

base::Result<Mfn> FrameAllocator::allocate(Request const& request) {
    if (request.order > kMaxOrder)
        return Err{Error::too_big};
    TRY(charge(request));
    auto first = take_run(request);
    if (first.ok())
        hand_out(first.value(), request);
    else if (request.counting != Counting::none)
        accounts_.of(request.owner).refund(1u << request.order);
    return first;
}

base::Result<FrameRef> FrameAllocator::allocate_frame(Request const& request) {
    ASSERT(request.order == 0);
    return FrameRef::adopt(table_, TRY(allocate(request)));
}

base::Status FrameAllocator::charge(Request const& request) {
    if (request.counting == Counting::none)
        return {};
    auto& quota = accounts_.of(request.owner);
    auto const frames = std::uint32_t{1} << request.order;
    bool const granted =
        request.counting == Counting::within_limit ? quota.charge(frames) : quota.charge_beyond_limit(frames);
    return granted ? base::Status{} : base::Status{Err{Error::no_memory}};
}

/// A run of zeroes, or of anything if the request allows it.
base::Result<Mfn> FrameAllocator::take_run(Request const& request) {
    auto const frames = std::uint64_t{1} << request.order;
    auto const take = [&] {
        return pool_.with([&](Pool& pool) -> decltype(pool.free.take(0, 0)) {
            if (pool.left_for(claim_of(request)) < frames)
                return {};
            auto const taken = pool.free.take(request.order, request.address_bits);
            if (taken)
                use_claim(pool, request);
            return taken;
        });
    };
    auto run = take();
    for (unsigned batch = 0; !run && batch < kBatchesPerCall && reclaim(kBatch) != 0; ++batch)
        run = take();
    if (!run) {
        auto const [enough, stamp] = pool_.with([&](Pool& pool) {
            auto const newest = pool.newest == 0 ? 0 : stamp_of(Mfn{pool.newest});
            return std::pair{pool.quarantined != 0 && pool.left_for(claim_of(request)) >= frames, newest};
        });
        if (!enough)
            return Err{Error::no_memory};
        clock_.ask(stamp);
        return Err{Error::again};
    }
    if (run->unscrubbed && request.contents == Contents::zero)
        scrub(run->first, frames);
    return run->first;
}

/// What of the claims is for @p request.
std::uint32_t FrameAllocator::claim_of(Request const& request) const {
    return request.counting == Counting::within_limit ? accounts_.of(request.owner).claim() : 0;
}

void FrameAllocator::use_claim(Pool& pool, Request const& request) {
    auto const used = std::min(claim_of(request), std::uint32_t{1} << request.order);
    if (used == 0)
        return;
    auto& quota = accounts_.of(request.owner);
    quota.set_claim(quota.claim() - used);
    pool.claimed -= used;
}

base::Status FrameAllocator::claim(base::DomId owner, std::uint64_t frames) {
    auto& quota = accounts_.of(owner);
    return pool_.with([&](Pool& pool) -> base::Status {
        if (frames == 0) {
            pool.claimed -= quota.claim();
            quota.set_claim(0);
            return {};
        }
        auto const has = quota.total();
        if (quota.claim() != 0 || frames <= has || frames > quota.limit())
            return Err{Error::invalid};
        auto const lacks = static_cast<std::uint32_t>(frames - has);
        if (lacks > pool.left_for(0))
            return Err{Error::no_memory};
        quota.set_claim(lacks);
        pool.claimed += lacks;
        return {};
    });
}

void FrameAllocator::hand_out(Mfn first, Request const& request) {
    std::uint16_t const flags = request.counting == Counting::none ? std::uint16_t{0} : std::uint16_t{frame_counted};
    for (std::uint64_t i = 0; i < std::uint64_t{1} << request.order; ++i) {
        auto& info = table_.info(first + i);
        info.state.make_available();
        info.owner.store(request.owner.raw(), std::memory_order_relaxed);
        info.flags.store(flags, std::memory_order_relaxed);
        // Release: who takes a reference from now on sees the owner.
        info.references.store(1, std::memory_order_release);
    }
}

// --- back ----------------------------------------------------------------------------------------------------------

void FrameAllocator::give_back(Mfn first, unsigned order) {
    for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i)
        table_.drop_reference(first + i);
}

void FrameAllocator::last_reference_gone(Mfn frame) {
    auto& info = table_.info(frame);
    ASSERT(!info.has(frame_free_run) && !info.has(frame_quarantined) && !info.has(frame_in_gfn_map));
    info.state.make_free();
    auto const owner = info.owner_id();
    bool const counted = info.has(frame_counted);

    info.owner.store(kNobody.raw(), std::memory_order_relaxed);
    info.flags.store(0, std::memory_order_relaxed);
    info.gfn.store(kNoGfn, std::memory_order_relaxed);
    // Guests could reach a domain's frame until now. The hypervisor's own bear the stamp of who used them as shadow
    // pages (SP-11), if any did.
    if (is_domain(owner))
        info.state.stamp().store(clock_.now(), std::memory_order_relaxed);
    if (clock_.is_safe(stamp_of(frame)))
        scrub_and_list(frame);
    else
        quarantine(frame);
    // Last: a domain whose count is 0 has nothing here any more.
    if (counted)
        accounts_.of(owner).refund(1);
}

std::uint32_t FrameAllocator::stamp_of(Mfn frame) {
    return table_.info(frame).state.stamp().load(std::memory_order_relaxed);
}

void FrameAllocator::scrub_and_list(Mfn frame) {
    scrub(frame, 1);
    pool_.with([&](Pool& pool) { pool.free.put(frame, 0, false); });
}

void FrameAllocator::quarantine(Mfn frame) {
    table_.info(frame).flags.store(frame_quarantined, std::memory_order_relaxed);
    auto const waiting = pool_.with([&](Pool& pool) {
        auto const link = static_cast<std::uint32_t>(frame.raw());
        table_.info(frame).link = 0;
        if (pool.newest != 0)
            table_.info(Mfn{pool.newest}).link = link;
        else
            pool.oldest = link;
        pool.newest = link;
        return ++pool.quarantined;
    });
    if (waiting % kAskEvery == 0) {
        clock_.ask(stamp_of(frame));
        reclaim(kBatch);
    }
}

std::size_t FrameAllocator::reclaim(std::size_t most) {
    std::size_t done = 0;
    while (done < most) {
        std::array<Mfn, kBatch> batch;
        std::size_t const wanted = std::min(most - done, kBatch);
        std::size_t const count = pool_.with([&](Pool& pool) {
            std::size_t taken = 0;
            // In order of arrival: the first that is not safe yet ends the batch.
            while (taken < wanted && pool.oldest != 0) {
                Mfn const frame{pool.oldest};
                if (!clock_.is_safe(stamp_of(frame)))
                    break;
                auto& info = table_.info(frame);
                pool.oldest = info.link;
                if (pool.oldest == 0)
                    pool.newest = 0;
                --pool.quarantined;
                info.link = 0;
                info.flags.store(0, std::memory_order_relaxed);
                batch[taken++] = frame;
            }
            return taken;
        });
        for (std::size_t i = 0; i < count; ++i)
            scrub(batch[i], 1);
        pool_.with([&](Pool& pool) {
            for (std::size_t i = 0; i < count; ++i)
                pool.free.put(batch[i], 0, false);
        });
        done += count;
        if (count < wanted)
            break;
    }
    return done;
}

// --- numbers -------------------------------------------------------------------------------------------------------

FrameAllocator::Statistics FrameAllocator::statistics() {
    return pool_.with([](Pool& pool) {
        return Statistics{
            .total = pool.total, .free = pool.free.frames(), .quarantined = pool.quarantined, .claimed = pool.claimed};
    });
}

std::uint64_t FrameAllocator::free_in_zone(unsigned zone) {
    ASSERT(zone < kZones);
    return pool_.with([&](Pool& pool) { return pool.free.frames_in(zone); });
}

} // namespace mm
