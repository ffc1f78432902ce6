/// Frames: out and back, one and many; look-ups in the gfn map; small objects. Best built without sanitizers
/// (-DHOSTED_SANITIZERS=OFF, a release build).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

#include "arch_fake/machine.hpp"
#include "mm/frame_allocator.hpp"
#include "mm/gfn_map.hpp"
#include "mm/heap.hpp"

namespace {

using base::Gfn;
using base::Mfn;
using mm::Contents;
using mm::Request;

constexpr base::DomId kOwner{1};

/// TLBs that know nothing.
struct Clock {
    std::uint32_t now() { return 1; }
    bool is_safe(std::uint32_t) { return true; }
    void ask(std::uint32_t) {}
};

struct Memory {
    explicit Memory(std::uint64_t frames)
        : machine{{.frames = frames}},
          infos(frames),
          quotas(2),
          table{infos},
          allocator{table, mm::Accounts{quotas}, mm::FlushClock{clock}} {
        quotas[kOwner.raw()].set_limit(~std::uint64_t{0});
        allocator.add_memory(Mfn{1}, frames - 1);
    }

    arch_fake::Machine machine;
    Clock clock;
    std::vector<mm::FrameInfo> infos;
    std::vector<mm::Quota> quotas;
    mm::FrameTable table;
    mm::FrameAllocator allocator;
};

/// One run out and back. Contents::any: the way out costs no zeroing, the way back does.
void allocate_and_free(benchmark::State& state) {
    Memory memory{std::uint64_t{1} << 16};
    auto const order = static_cast<unsigned>(state.range(0));
    for (auto _ : state) {
        auto const run =
            memory.allocator.allocate({.owner = kOwner, .order = order, .contents = Contents::any}).value();
        memory.allocator.give_back(run, order);
    }
    state.SetItemsProcessed(state.iterations() << order);
}
BENCHMARK(allocate_and_free)->Arg(0)->Arg(4)->Arg(9);

/// Single frames of a memory in which runs of all sizes are free and taken, as after a long life.
void allocate_and_free_in_fragments(benchmark::State& state) {
    Memory memory{std::uint64_t{1} << 16};
    std::mt19937 random{1};
    std::vector<Mfn> held;
    while (auto const frame = memory.allocator.allocate({.contents = Contents::any}))
        held.push_back(frame.value());
    std::shuffle(held.begin(), held.end(), random);
    for (std::size_t i = 0; i < held.size() / 2; ++i)
        memory.table.drop_reference(held[i]);
    for (auto _ : state) {
        auto const frame = memory.allocator.allocate({.contents = Contents::any}).value();
        memory.table.drop_reference(frame);
    }
}
BENCHMARK(allocate_and_free_in_fragments);

void take_and_drop_a_reference(benchmark::State& state) {
    Memory memory{1024};
    auto const frame = memory.allocator.allocate_frame(Request::ram(kOwner)).value();
    for (auto _ : state)
        benchmark::DoNotOptimize(memory.table.take(frame.mfn(), kOwner).ok());
}
BENCHMARK(take_and_drop_a_reference);

/// A guest's frame number becomes a frame, at random places.
void look_up_a_gfn(benchmark::State& state) {
    constexpr std::uint64_t kFrames = std::uint64_t{1} << 15;
    Memory memory{kFrames + 1024};
    auto const translation = state.range(0) == 0 ? mm::Translation::direct : mm::Translation::translated;
    mm::GfnMap map{memory.allocator, kOwner, translation};
    std::vector<Gfn> gfns;
    for (std::uint64_t i = 0; i < kFrames; ++i) {
        auto frame = memory.allocator.allocate_frame(
            {.owner = kOwner, .contents = Contents::any, .counting = mm::Counting::within_limit});
        gfns.emplace_back(map.translated() ? i : frame.value().mfn().raw());
        static_cast<void>(map.set(gfns.back(), std::move(frame).value()));
    }
    std::shuffle(gfns.begin(), gfns.end(), std::mt19937{1});
    std::size_t next = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(map.get(gfns[next]).ok());
        next = (next + 1) % gfns.size();
    }
    Gfn cursor{0};
    static_cast<void>(map.clear_all(cursor, ~0u, [](Gfn, mm::FrameRef) {}));
    static_cast<void>(map.destroy(~0u));
}
BENCHMARK(look_up_a_gfn)->ArgName("translated")->Arg(0)->Arg(1);

void make_and_destroy_an_object(benchmark::State& state) {
    Memory memory{1024};
    mm::Heap heap{memory.allocator};
    auto const bytes = static_cast<std::size_t>(state.range(0));
    auto* const neighbour = heap.allocate(bytes).value(); // its page stays
    for (auto _ : state)
        heap.free(heap.allocate(bytes).value(), bytes);
    heap.free(neighbour, bytes);
}
BENCHMARK(make_and_destroy_an_object)->Arg(64)->Arg(960)->Arg(16384);

} // namespace
