// Several CPUs on the same tables, under the sanitizers: nothing is lost, nothing hangs, no link points nowhere.
// Few rounds where locks are contended: a fair spin lock is slow when a thread that waits for it is not running.
#include "events/event_table.hpp"

#include <atomic>
#include <latch>
#include <random>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace events_test {

TEST_F(Events, NoEventIsLostBetweenASenderAndAGuestThatClearsItsFlags) {
    auto const [here, there] = connect(dom0, dom1);
    constexpr std::uint64_t kMessages = 100'000;
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> notices{0};
    std::atomic<bool> done{false};

    std::thread sender{[&] {
        for (std::uint64_t i = 0; i < kMessages; ++i) {
            sent.fetch_add(1);
            if (dom0.table.send(here).value().upcall)
                notices.fetch_add(1);
        }
        done.store(true);
    }};

    // A guest as Linux is one: takes the flag, then the selector, then the bit, and only then looks at the data. It
    // goes to sleep whenever the flag is clear, and wakes by a notice only.
    std::uint64_t seen = 0;
    std::uint64_t upcalls = 0;
    auto& info = dom1.info();
    auto& word = dom1.shared->evtchn_pending[there.raw() / 64];
    while (seen != kMessages) {
        if (std::atomic_ref{info.evtchn_upcall_pending}.exchange(0) == 0) {
            // The last message was sent, its notice given, and the flag is clear: then it must have been seen.
            ASSERT_FALSE(done.load() && std::atomic_ref{info.evtchn_upcall_pending}.load() == 0 && seen != sent.load());
            continue;
        }
        ++upcalls;
        std::atomic_ref{info.evtchn_pending_sel}.exchange(0);
        std::atomic_ref{word}.fetch_and(~(1UL << there.raw() % 64));
        seen = sent.load();
    }
    sender.join();
    EXPECT_GE(notices.load(), upcalls); // no upcall that nobody was told of
}

TEST_F(Events, NoEventIsLostWhileVcpuInfoMoves) {
    for (int round = 0; round < 200; ++round) {
        Domain domain{5, links};
        auto const port = domain.table.bind_ipi(VcpuId{0}).value();
        vcpu_info_t moved{};
        std::thread sender{[&] { static_cast<void>(domain.table.send(port)); }};
        domain.table.move_vcpu_info(VcpuId{0}, moved);
        // From here on the guest takes upcalls in the new place only.
        std::atomic_ref{moved.evtchn_upcall_pending}.store(0);
        std::atomic_ref{moved.evtchn_pending_sel}.store(0);
        bool const seen = domain.table.is_pending(port).value();
        sender.join();
        bool const told = std::atomic_ref{moved.evtchn_upcall_pending}.load() != 0;
        ASSERT_TRUE(seen || told);
    }
}

TEST_F(Events, LinksAreMadeAndBrokenFromBothEndsWhileOthersSend) {
    Domain* const domains[] = {&dom0, &dom1, &dom2};
    std::vector<std::thread> cpus;
    std::latch start{2};
    for (unsigned cpu = 0; cpu < 2; ++cpu) {
        cpus.emplace_back([&, cpu] {
            std::mt19937 random{cpu};
            start.arrive_and_wait();
            for (int i = 0; i < 20'000; ++i) {
                Domain& a = *domains[random() % 3];
                Domain& b = *domains[random() % 3];
                Port const port{1 + static_cast<std::uint32_t>(random() % 8)};
                switch (random() % 5) {
                case 0: static_cast<void>(a.table.alloc_unbound(b.table.id())); break;
                case 1: static_cast<void>(a.table.bind_interdomain(b.table, port)); break;
                case 2: static_cast<void>(a.table.close(port)); break;
                case 3: static_cast<void>(a.table.send(port)); break;
                case 4: static_cast<void>(a.table.bind_vcpu(port, VcpuId{cpu})); break;
                }
            }
        });
    }
    for (auto& cpu : cpus)
        cpu.join();

    // Every link has two ends that name each other.
    for (Domain* const domain : domains) {
        for (std::uint32_t i = 1; i < domain->table.limit().raw(); ++i) {
            auto const here = domain->status(Port{i});
            if (here.status != EVTCHNSTAT_interdomain)
                continue;
            auto const there = domains[here.u.interdomain.dom]->status(Port{here.u.interdomain.port});
            EXPECT_EQ(there.status, unsigned{EVTCHNSTAT_interdomain});
            EXPECT_EQ(there.u.interdomain.dom, domain->table.id().raw());
            EXPECT_EQ(there.u.interdomain.port, i);
        }
    }
}

} // namespace events_test
