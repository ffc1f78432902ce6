/// The last N things that happened: one ring a CPU, and one a domain for its last hypercalls.
///
/// Writing never waits, and may happen on several CPUs at once. Reading may happen at any time on any CPU, also in a
/// panic: it shows whole records only.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "trace/event.hpp"

namespace trace {

struct Record {
    std::uint64_t tsc = 0;
    Event event = Event::none;
    std::array<std::uint64_t, 4> words{};
};

template <std::size_t N> class Ring {
    static_assert(N != 0 && (N & (N - 1)) == 0, "a power of two");

  public:
    constexpr Ring() = default;

    void write(std::uint64_t tsc, Event event, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
               std::uint64_t d = 0) {
        auto const position = next_.fetch_add(1, std::memory_order_relaxed);
        Slot& slot = slots_[position % N];
        // A slot is claimed before it is written. Who finds it claimed (by one that is a whole round behind, or ahead)
        // lets its record go: a record less is better than one made of two.
        auto before = slot.stamp.load(std::memory_order_relaxed);
        if (before == kClaimed || before > stamp(position))
            return;
        if (!slot.stamp.compare_exchange_strong(before, kClaimed, std::memory_order_relaxed))
            return;
        std::atomic_thread_fence(std::memory_order_release); // a reader that sees a new word sees the claim
        slot.tsc.store(tsc, std::memory_order_relaxed);
        slot.event.store(event, std::memory_order_relaxed);
        slot.words[0].store(a, std::memory_order_relaxed);
        slot.words[1].store(b, std::memory_order_relaxed);
        slot.words[2].store(c, std::memory_order_relaxed);
        slot.words[3].store(d, std::memory_order_relaxed);
        slot.stamp.store(stamp(position), std::memory_order_release);
    }

    /// Calls @p visit(record) for the last @p most records that are whole, the oldest first.
    template <typename Visit> void for_last(std::size_t most, Visit&& visit) const {
        auto const end = next_.load(std::memory_order_acquire);
        auto const kept = end < N ? end : N;
        for (auto position = end - (most < kept ? most : kept); position != end; ++position) {
            Slot const& slot = slots_[position % N];
            if (slot.stamp.load(std::memory_order_acquire) != stamp(position))
                continue;
            Record record{.tsc = slot.tsc.load(std::memory_order_relaxed),
                          .event = slot.event.load(std::memory_order_relaxed)};
            for (std::size_t i = 0; i < record.words.size(); ++i)
                record.words[i] = slot.words[i].load(std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_acquire); // every word before the second look at the stamp
            if (slot.stamp.load(std::memory_order_relaxed) == stamp(position))
                visit(static_cast<Record const&>(record));
        }
    }

  private:
    static constexpr std::uint64_t kClaimed = ~std::uint64_t{0};
    static constexpr std::uint64_t stamp(std::uint64_t position) { return position + 1; } // 0: never written

    struct Slot {
        std::atomic<std::uint64_t> stamp{0};
        std::atomic<std::uint64_t> tsc{0};
        std::atomic<Event> event{Event::none};
        std::array<std::atomic<std::uint64_t>, 4> words{};
    };

    std::atomic<std::uint64_t> next_{0};
    std::array<Slot, N> slots_{};
};

} // namespace trace
