// What it costs to raise an event: the bits and locks, without waking anybody.
#include <benchmark/benchmark.h>

#include <memory>

#include "events/event_table.hpp"

namespace {

struct Domain : events::Owner {
    Domain(std::uint16_t id, events::LinkLock& links)
        : table{*this, base::DomId{id}, links, *shared, {channels.get(), events::kPorts}, {targets.get(), 2}} {}

    std::unique_ptr<shared_info_t> shared = std::make_unique<shared_info_t>();
    std::unique_ptr<events::Channel[]> channels = std::make_unique<events::Channel[]>(events::kPorts);
    std::unique_ptr<events::Target[]> targets = std::make_unique<events::Target[]>(2);
    events::EventTable table;
};

struct Pair {
    events::LinkLock links;
    Domain a{1, links};
    Domain b{2, links};
    base::Port there = b.table.alloc_unbound(a.table.id()).value();
    base::Port here = a.table.bind_interdomain(b.table, there).value().port;
};

/// The whole way: the receiver has seen the last one.
void send_to_another_domain(benchmark::State& state) {
    Pair pair;
    auto& pending = pair.b.shared->evtchn_pending[0];
    auto& info = pair.b.shared->vcpu_info[0];
    for (auto _ : state) {
        pending = 0;
        info.evtchn_pending_sel = 0;
        info.evtchn_upcall_pending = 0;
        benchmark::DoNotOptimize(pair.a.table.send(pair.here).value().upcall);
    }
}
BENCHMARK(send_to_another_domain);

/// The receiver has not looked yet.
void send_what_is_pending_already(benchmark::State& state) {
    Pair pair;
    for (auto _ : state)
        benchmark::DoNotOptimize(pair.a.table.send(pair.here).value().upcall);
}
BENCHMARK(send_what_is_pending_already);

void raise_the_timer_virq(benchmark::State& state) {
    Pair pair;
    static_cast<void>(pair.a.table.bind_virq(VIRQ_TIMER, base::VcpuId{0}).value());
    auto& info = pair.a.shared->vcpu_info[0];
    for (auto _ : state) {
        pair.a.shared->evtchn_pending[0] = 0;
        info.evtchn_pending_sel = 0;
        info.evtchn_upcall_pending = 0;
        benchmark::DoNotOptimize(pair.a.table.raise_virq(VIRQ_TIMER, base::VcpuId{0}).upcall);
    }
}
BENCHMARK(raise_the_timer_virq);

} // namespace
