// CPUs as real threads: what the comments on ordering in scheduler.hpp promise.
#include "sched/scheduler.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "simulation.hpp"

namespace sched_test {
namespace {

constexpr std::uint32_t kCpus = 2;
constexpr std::size_t kVcpus = 5;
constexpr std::uint64_t kEventsEach = 300;

struct Vcpu {
    sched::Entity entity;
    std::atomic<std::uint64_t> sent{0}; ///< events raised for it: its "pending bits"
    std::uint64_t seen = 0;             ///< by whoever runs it
    std::atomic<int> on_cpus{0};
};

/// Each vCPU handles events and blocks when there are none; each CPU also sends them, to anyone.
class Machine {
  public:
    Machine() {
        for (std::size_t i = 0; i < kVcpus; ++i) {
            scheduler_.add(vcpus_[i].entity, CpuId{static_cast<std::uint32_t>(i) % kCpus});
            perform(scheduler_.resume(vcpus_[i].entity, now()));
        }
    }

    void run_cpu(CpuId cpu) {
        std::mt19937 random{cpu.raw()};
        std::uint64_t to_send = kEventsEach;
        Vcpu* current = nullptr;
        Vcpu* resting = nullptr;
        for (;;) {
            auto const decision = scheduler_.schedule(cpu, now());
            bool const rests = decision.previous != nullptr && decision.next == nullptr && random() % 2 == 0 &&
                               scheduler_.rest(*decision.previous);
            if (rests) {
                resting = &vcpu_of(*decision.previous);
            } else if (decision.previous != nullptr) {
                resting = nullptr;
                vcpu_of(*decision.previous).on_cpus.fetch_sub(1);
                perform(scheduler_.context_saved(*decision.previous, now()));
            }
            bool const switched = decision.previous != nullptr || current == nullptr;
            current = decision.next == nullptr ? nullptr : &vcpu_of(*decision.next);
            bool const goes_on = current != nullptr && current == resting;
            if (goes_on)
                resting = nullptr;
            if (current == nullptr) {
                if (all_seen() || stuck())
                    return;
                if (to_send == 0)
                    wait_for_kick(cpu);
            } else {
                if (switched && !goes_on && current->on_cpus.fetch_add(1) != 0)
                    two_cpus_.store(true);
                current->seen = current->sent.load();
                if (random() % 4 == 0) {
                    scheduler_.block(current->entity);
                    if (current->sent.load() != current->seen)
                        perform(scheduler_.wake(current->entity, now()));
                }
            }
            if (to_send != 0) {
                Vcpu& target = vcpus_[random() % kVcpus];
                target.sent.fetch_add(1);
                perform(scheduler_.wake(target.entity, now()));
                if (--to_send == 0)
                    senders_.fetch_sub(1);
            }
            if (to_send == 0 && current != nullptr && current->sent.load() == current->seen)
                scheduler_.block(current->entity);
            if (current != nullptr && current->entity.blocked() && current->sent.load() != current->seen)
                perform(scheduler_.wake(current->entity, now()));
        }
    }

    [[nodiscard]] bool two_cpus() const { return two_cpus_.load(); }
    [[nodiscard]] bool stuck() const { return stuck_.load(); }

  private:
    std::uint64_t now() { return now_.fetch_add(50 * kMicrosecond); }
    Vcpu& vcpu_of(sched::Entity& entity) {
        for (auto& vcpu : vcpus_)
            if (&vcpu.entity == &entity)
                return vcpu;
        std::abort();
    }
    /// Nothing more is sent, and everybody is asleep; who rests on a CPU, too.
    bool all_seen() {
        if (senders_.load() != 0)
            return false;
        for (auto& vcpu : vcpus_)
            if (!vcpu.entity.blocked() || vcpu.entity.place() == sched::Place::running ||
                vcpu.entity.place() == sched::Place::waiting)
                return false;
        return true;
    }
    void perform(sched::Kick const& kick) {
        if (kick.cpu)
            kicked_[kick.cpu->raw()].store(true);
    }
    /// Idles until it is kicked; or until everybody is asleep, which is the end. A CPU that idles although somebody
    /// waits and nobody kicks it would wait here for ever.
    void wait_for_kick(CpuId cpu) {
        auto const give_up = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (!kicked_[cpu.raw()].exchange(false) && !all_seen()) {
            if (std::chrono::steady_clock::now() > give_up) {
                stuck_.store(true);
                return;
            }
            std::this_thread::yield();
        }
    }

    sched::Scheduler scheduler_{kCpus};
    std::array<Vcpu, kVcpus> vcpus_;
    std::atomic<std::uint64_t> now_{0};
    std::atomic<std::uint32_t> senders_{kCpus};
    std::array<std::atomic<bool>, kCpus> kicked_{};
    std::atomic<bool> two_cpus_{false};
    std::atomic<bool> stuck_{false};

  public:
    [[nodiscard]] bool every_event_was_seen() {
        for (auto& vcpu : vcpus_)
            if (vcpu.seen != vcpu.sent.load())
                return false;
        return true;
    }
};

TEST(SchedulerThreads, NoWakeUpIsLostAndNobodyRunsOnTwoCpus) {
    for (int round = 0; round < 20; ++round) {
        auto machine = std::make_unique<Machine>();
        std::vector<std::thread> cpus;
        for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu)
            cpus.emplace_back([&, cpu] { machine->run_cpu(CpuId{cpu}); });
        for (auto& cpu : cpus)
            cpu.join();
        ASSERT_FALSE(machine->stuck());
        ASSERT_FALSE(machine->two_cpus());
        ASSERT_TRUE(machine->every_event_was_seen());
    }
}

} // namespace
} // namespace sched_test
