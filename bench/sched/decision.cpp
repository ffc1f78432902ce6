// What a scheduling decision costs, with so many vCPUs that want to run.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "sched/scheduler.hpp"

namespace {

constexpr base::CpuId kCpu{0};

class Machine {
  public:
    Machine(std::uint32_t cpus, std::int64_t entities) : scheduler{std::make_unique<sched::Scheduler>(cpus)} {
        for (std::int64_t i = 0; i < entities; ++i) {
            entities_.push_back(std::make_unique<sched::Entity>());
            scheduler->add(*entities_.back(), kCpu);
            static_cast<void>(scheduler->resume(*entities_.back(), now));
        }
    }
    ~Machine() {
        for (auto const& entity : entities_)
            static_cast<void>(scheduler->pause(*entity, now));
        schedule();
    }
    sched::Entity* schedule() {
        auto const decision = scheduler->schedule(kCpu, now);
        if (decision.previous != nullptr)
            static_cast<void>(scheduler->context_saved(*decision.previous, now));
        return decision.next;
    }

    std::unique_ptr<sched::Scheduler> scheduler;
    std::uint64_t now = 0;

  private:
    std::vector<std::unique_ptr<sched::Entity>> entities_;
};

/// Each slice ends, and the next one runs.
void switch_at_the_end_of_a_slice(benchmark::State& state) {
    Machine machine{1, state.range(0)};
    for (auto _ : state) {
        machine.now += sched::kSlice;
        benchmark::DoNotOptimize(machine.schedule());
    }
}
BENCHMARK(switch_at_the_end_of_a_slice)->Arg(2)->Arg(16)->Arg(256);

/// Asked again before the slice ends: nothing changes.
void go_on_within_the_slice(benchmark::State& state) {
    Machine machine{1, state.range(0)};
    machine.schedule();
    for (auto _ : state)
        benchmark::DoNotOptimize(machine.schedule());
}
BENCHMARK(go_on_within_the_slice)->Arg(2)->Arg(256);

/// One blocks, is woken, and runs again: the way of a ping-pong between two guests.
void block_and_wake(benchmark::State& state) {
    Machine machine{1, 1};
    for (auto _ : state) {
        sched::Entity& entity = *machine.schedule();
        machine.scheduler->block(entity);
        machine.schedule();
        machine.now += 1000;
        benchmark::DoNotOptimize(machine.scheduler->wake(entity, machine.now).cpu);
    }
}
BENCHMARK(block_and_wake);

/// With nothing to run, among so many CPUs that have nothing either.
void look_for_work_elsewhere(benchmark::State& state) {
    Machine machine{static_cast<std::uint32_t>(state.range(0)), 0};
    for (auto _ : state)
        benchmark::DoNotOptimize(machine.schedule());
}
BENCHMARK(look_for_work_elsewhere)->Arg(2)->Arg(16)->Arg(256);

} // namespace
