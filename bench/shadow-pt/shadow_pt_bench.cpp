/// Shadows: built from a guest's tables and torn down, an entry changed in each of the three ways, walked, a page held.
/// The host costs next to nothing, so that what is measured is the room itself. Best built without sanitizers (the
/// release preset).
#include <benchmark/benchmark.h>

#include <cstdint>

#include "host.hpp"

namespace bench {
namespace {

/// A guest's tables: one L4, L3 and L2 that lead to `tables` L1s, each of which maps the same 512 data frames.
///
///     gfn 1..3: L4, L3, L2     4..: the L1s     after them: data
class Guest {
    std::uint64_t const tables_;

  public:
    static constexpr std::uint64_t kL4 = 1, kFirstL1 = 4;

    explicit Guest(std::uint64_t tables)
        : tables_{tables}, host{kFirstL1 + tables + base::kTableEntries, 4 * (tables + 8)} {
        host.table(Mfn{kL4})[0] = entry(kL4 + 1, kTable);
        host.table(Mfn{kL4 + 1})[0] = entry(kL4 + 2, kTable);
        for (std::uint64_t n = 0; n < tables; ++n) {
            host.table(Mfn{kL4 + 2})[n] = entry(kFirstL1 + n, kTable);
            for (std::uint64_t slot = 0; slot < base::kTableEntries; ++slot)
                host.table(Mfn{kFirstL1 + n})[slot] = entry(data(slot), kPage);
        }
    }

    [[nodiscard]] std::uint64_t data(std::uint64_t n) const { return kFirstL1 + tables_ + n; }
    [[nodiscard]] static Vaddr address(std::uint64_t page) { return Vaddr{page << base::kPageShift}; }
    [[nodiscard]] static base::Gaddr slot(std::uint64_t page) {
        return base::Gaddr{(kFirstL1 << base::kPageShift) + page * sizeof(std::uint64_t)};
    }

    Host host;
    shadow_pt::Paging<Host> paging{host};
};

/// Pin and unpin of an L4 with this many L1s below it: what exec and exit cost. Items are entries.
void pin_and_unpin(benchmark::State& state) {
    auto const tables = static_cast<std::uint64_t>(state.range(0));
    Guest guest{tables};
    for (auto _ : state) {
        if (!guest.paging.pin(4, Gfn{Guest::kL4}).ok() || !guest.paging.unpin(Gfn{Guest::kL4}).ok())
            state.SkipWithError("refused");
        guest.host.retire({});
    }
    state.SetItemsProcessed(state.iterations() * state.range(0) * base::kTableEntries);
}
BENCHMARK(pin_and_unpin)->Arg(1)->Arg(16)->Arg(256);

/// An entry of an L1 in use that comes and goes, as by mmu_update.
void update_entry(benchmark::State& state) {
    Guest guest{1};
    auto const root = guest.paging.acquire_root(Gfn{Guest::kL4}).value();
    std::uint64_t n = 0;
    for (auto _ : state) {
        auto const page = n++ % base::kTableEntries;
        auto const value = (n / base::kTableEntries) % 2 != 0 ? 0 : entry(guest.data(page), kPage);
        benchmark::DoNotOptimize(guest.paging.update_entry(Guest::slot(page), value, shadow_pt::UpdateMode::normal));
    }
    benchmark::DoNotOptimize(guest.paging.release_root(root));
}
BENCHMARK(update_entry);

/// The same by update_va_mapping: with a walk to the table.
void update_va(benchmark::State& state) {
    Guest guest{1};
    auto const root = guest.paging.acquire_root(Gfn{Guest::kL4}).value();
    std::uint64_t n = 0;
    for (auto _ : state) {
        auto const page = n++ % base::kTableEntries;
        auto const value = (n / base::kTableEntries) % 2 != 0 ? 0 : entry(guest.data(page), kPage);
        shadow_pt::FlushDebt debt;
        benchmark::DoNotOptimize(guest.paging.update_va(root, Guest::address(page), value, debt));
        benchmark::DoNotOptimize(debt.take());
    }
    benchmark::DoNotOptimize(guest.paging.release_root(root));
}
BENCHMARK(update_va);

/// Write-protecting a page and making it writable again: the frame stays, as in fork and copy-on-write.
void protect_and_unprotect(benchmark::State& state) {
    Guest guest{1};
    auto const root = guest.paging.acquire_root(Gfn{Guest::kL4}).value();
    std::uint64_t n = 0;
    for (auto _ : state) {
        auto const page = n++ % base::kTableEntries;
        auto const flags = (n / base::kTableEntries) % 2 != 0 ? kPage & ~pte::kWrite : kPage;
        benchmark::DoNotOptimize(guest.paging.update_entry(Guest::slot(page), entry(guest.data(page), flags),
                                                           shadow_pt::UpdateMode::normal));
    }
    benchmark::DoNotOptimize(guest.paging.release_root(root));
}
BENCHMARK(protect_and_unprotect);

/// The first write to a page whose D is clear: the fault that the guest never sees.
void hidden_fault(benchmark::State& state) {
    Guest guest{1};
    auto const root = guest.paging.acquire_root(Gfn{Guest::kL4}).value();
    std::uint64_t n = 0;
    for (auto _ : state) {
        auto const page = n++ % base::kTableEntries;
        benchmark::DoNotOptimize(guest.paging.update_entry(Guest::slot(page), entry(guest.data(page), kTable),
                                                           shadow_pt::UpdateMode::normal));
        benchmark::DoNotOptimize(guest.paging.handle_fault(root, Guest::address(page),
                                                           shadow_pt::fault::kProtection | shadow_pt::fault::kWrite));
    }
    benchmark::DoNotOptimize(guest.paging.release_root(root));
}
BENCHMARK(hidden_fault);

/// A page of the guest's held for the hypervisor, and given back: what each pointer in a hypercall costs.
void resolve(benchmark::State& state) {
    Guest guest{16};
    auto const root = guest.paging.acquire_root(Gfn{Guest::kL4}).value();
    std::uint64_t n = 0;
    for (auto _ : state) {
        auto const page = n++ * 37 % (16 * base::kTableEntries);
        auto const held = guest.paging.resolve(root, Guest::address(page), {.write = true});
        guest.paging.done(held.value());
    }
    benchmark::DoNotOptimize(guest.paging.release_root(root));
}
BENCHMARK(resolve);

void walk(benchmark::State& state) {
    Guest guest{16};
    auto const root = guest.paging.acquire_root(Gfn{Guest::kL4}).value();
    std::uint64_t n = 0;
    for (auto _ : state)
        benchmark::DoNotOptimize(guest.paging.walk(root, Guest::address(n++ * 37 % (16 * base::kTableEntries))));
    benchmark::DoNotOptimize(guest.paging.release_root(root));
}
BENCHMARK(walk);

} // namespace
} // namespace bench
