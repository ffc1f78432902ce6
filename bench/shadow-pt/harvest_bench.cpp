/// Harvests of a guest that has mapped up to 1 TiB and has written to a part of it: their time goes with what was written, and not
/// with what there is. The room itself, with a processor that sets A and D as one does; without the flush at the end and the log.
///
/// So much memory would need 2 GiB of L1s. Here all L2s share a thousand, each with the same 512 pages: a harvest visits each
/// L1 once, and reads the same entries as if they were as many as they stand for.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>

#include "host.hpp"

namespace bench {
namespace {

constexpr std::uint64_t kEntries = base::kTableEntries;
constexpr std::uint64_t kL1MiB = 2; ///< that an L1 maps

/// gfn 1: L4, then L3s, L2s, L1s and the pages.
class LargeGuest {
    std::uint64_t const l2s_, l3s_;

  public:
    static constexpr std::uint64_t kL1s = 1024;

    explicit LargeGuest(std::uint64_t gibibytes)
        : l2s_{gibibytes}, // one maps 1 GiB
          l3s_{(l2s_ + kEntries - 1) / kEntries},
          host_{first_page() + kEntries, l2s_ + l3s_ + kL1s + 64} {
        for (std::uint64_t n = 0; n < l3s_; ++n)
            host_.table(Mfn{1})[n] = entry(2 + n, kTable);
        for (std::uint64_t n = 0; n < l2s_; ++n)
            host_.table(Mfn{2 + n / kEntries})[n % kEntries] = entry(2 + l3s_ + n, kTable);
        for (std::uint64_t n = 0; n < l1_slots(); ++n)
            host_.table(Mfn{2 + l3s_ + n / kEntries})[n % kEntries] = entry(first_l1() + l1_at(n), kTable);
        for (std::uint64_t n = 0; n < kL1s; ++n)
            for (std::uint64_t slot = 0; slot < kEntries; ++slot)
                host_.table(Mfn{first_l1() + n})[slot] = entry(first_page() + slot, kPage);
        root_ = paging_.acquire_root(Gfn{1}).value();
    }
    ~LargeGuest() { benchmark::DoNotOptimize(paging_.release_root(root_)); }

    /// How many places there are for an L1.
    [[nodiscard]] std::uint64_t l1_slots() const { return l2s_ * kEntries; }

    /// Writes to all that the L1 at place @p n maps.
    void write(std::uint64_t n) {
        auto const walk = paging_.walk(root_, Vaddr{n * kEntries << base::kPageShift});
        set(walk.step[1], n / kEntries % kEntries, pte::kAccessed);
        set(walk.step[2], n % kEntries, pte::kAccessed);
        for (std::uint64_t slot = 0; slot < kEntries; ++slot)
            set(walk.step[3], slot, pte::kAccessed | pte::kDirty);
    }

    bool start() { return paging_.start_tracking().ok(); }
    bool harvest() {
        paging_.starts_at(root_);
        return paging_.harvest().ok();
    }
    [[nodiscard]] shadow_pt::Counters const& counters() { return paging_.counters(); }

  private:
    [[nodiscard]] std::uint64_t first_l1() const { return 2 + l3s_ + l2s_; }
    [[nodiscard]] std::uint64_t first_page() const { return first_l1() + kL1s; }
    /// Places that are far from each other have other L1s, too.
    static std::uint64_t l1_at(std::uint64_t n) { return (n + n / kL1s) % kL1s; }
    void set(shadow_pt::Walk::Step const& step, std::uint64_t slot, std::uint64_t bits) {
        host_.table(step.shadow)[slot] |= bits;
    }

    Host host_;
    shadow_pt::Paging<Host> paging_{host_};
    shadow_pt::Root root_;
};

/// Of so many GiB that are mapped, so many MiB written: one after the other, or far from each other.
void harvest(benchmark::State& state, bool scattered) {
    LargeGuest guest{static_cast<std::uint64_t>(state.range(0))};
    auto const written = static_cast<std::uint64_t>(state.range(1)) / kL1MiB;
    auto const step = scattered && written > 0 ? guest.l1_slots() / written : 1;
    if (!guest.start() || !guest.harvest() || !guest.harvest()) // the first two come to all that was touched before
        return state.SkipWithError("refused");
    auto const before = guest.counters().entries_harvested.load();
    for (auto _ : state) {
        for (std::uint64_t n = 0; n < written; ++n)
            guest.write(n * step);
        auto const began = std::chrono::steady_clock::now();
        if (!guest.harvest())
            return state.SkipWithError("refused");
        state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    }
    state.counters["entries"] = benchmark::Counter(
        static_cast<double>(guest.counters().entries_harvested.load() - before), benchmark::Counter::kAvgIterations);
}

void sizes(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"GiB", "written_MiB"})->UseManualTime()->Unit(benchmark::kMicrosecond);
    for (int const gibibytes : {2, 64, 1024})
        for (int const written : {0, 64, 2048})
            bench->Args({gibibytes, written});
}
BENCHMARK_CAPTURE(harvest, dense, false)->Apply(sizes);
BENCHMARK_CAPTURE(harvest, scattered, true)->Apply(sizes);

} // namespace
} // namespace bench
