/// A machine of some CPUs and tasks in simulated time, scheduled by the scheduler under test. At every instant it
/// checks what must always hold:
///   - a task runs on one CPU at most, and only where it may;
///   - no CPU idles while a task waits that may run there.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sched/scheduler.hpp"

namespace sched_test {

using base::CpuId;

inline constexpr std::uint64_t kMicrosecond = 1'000;
inline constexpr std::uint64_t kMillisecond = 1'000'000;
inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kForever = timing::kNever;

inline sched::Affinity only(std::initializer_list<std::uint32_t> cpus) {
    sched::Affinity affinity;
    for (auto const cpu : cpus)
        affinity.set(cpu);
    return affinity;
}

/// Runs for `burst`, then sleeps for `sleep`, or yields if that is 0; for ever.
struct Behaviour {
    std::uint64_t burst = kForever;
    std::uint64_t sleep = 0;
};
inline constexpr Behaviour kHog{};

struct Task {
    explicit Task(Behaviour const& how) : behaviour{how}, left{how.burst} {}

    sched::Entity entity;
    Behaviour behaviour;
    std::uint64_t left;                ///< of the burst
    std::uint64_t wakes_at = kForever; ///< while it sleeps
    std::uint64_t woken_at = 0;
    std::uint64_t longest_delay = 0; ///< from a wake-up until it ran
    bool waits_to_run = false;
    sched::Affinity affinity = sched::anywhere();
    int pauses = 0;
};

class Simulation {
  public:
    explicit Simulation(std::uint32_t cpus) : scheduler{cpus}, cpus_(cpus) {}
    Simulation(Simulation const&) = delete;
    Simulation& operator=(Simulation const&) = delete;
    ~Simulation() {
        for (auto const& task : tasks_)
            perform(scheduler.pause(task->entity, now_));
    }

    Task& add(Behaviour const& behaviour, std::uint32_t weight = sched::kDefaultWeight, std::uint32_t home = 0,
              sched::Budget* budget = nullptr) {
        tasks_.push_back(std::make_unique<Task>(behaviour));
        Task& task = *tasks_.back();
        scheduler.add(task.entity, CpuId{home}, budget);
        EXPECT_TRUE(scheduler.set_weight(task.entity, weight, now_).ok());
        perform(scheduler.resume(task.entity, now_));
        return task;
    }
    Task& add_pinned(Behaviour const& behaviour, std::uint32_t weight, std::uint32_t cpu) {
        Task& task = add(behaviour, weight, cpu);
        pin(task, only({cpu}));
        return task;
    }
    void pin(Task& task, sched::Affinity const& affinity) {
        task.affinity = affinity;
        perform(scheduler.set_affinity(task.entity, affinity, now_).value());
    }
    /// False: there is no room for it.
    bool reserve(Task& task, sched::Reservation const& reservation) {
        auto const kick = scheduler.reserve(task.entity, reservation, now_);
        if (kick.ok())
            perform(kick.value());
        return kick.ok();
    }
    void pause(Task& task) {
        ++task.pauses;
        perform(scheduler.pause(task.entity, now_));
    }
    void resume(Task& task) {
        --task.pauses;
        perform(scheduler.resume(task.entity, now_));
    }

    void run(std::uint64_t duration) {
        for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu)
            schedule(cpu);
        auto const end = now_ + duration;
        while (now_ < end && !testing::Test::HasFatalFailure()) {
            advance_to(std::min(end, next_instant()));
            for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu)
                act(cpu);
            for (auto const& task : tasks_)
                if (task->wakes_at <= now_)
                    wake(*task);
            check();
        }
    }

    [[nodiscard]] std::uint64_t now() const { return now_; }
    [[nodiscard]] std::vector<std::unique_ptr<Task>> const& tasks() const { return tasks_; }
    [[nodiscard]] std::uint64_t cpu_time(Task const& task) const {
        return task.entity.runstate().up_to(now_).time[RUNSTATE_running];
    }
    /// Of one CPU, since @p since nanoseconds of its CPU time.
    [[nodiscard]] double share(Task const& task) const {
        return static_cast<double>(cpu_time(task)) / static_cast<double>(now_);
    }

    sched::Scheduler scheduler;

  private:
    struct Cpu {
        Task* current = nullptr;
        Task* resting = nullptr;
        std::uint64_t until = kForever;
    };

    Task* task_of(sched::Entity* entity) {
        for (auto const& task : tasks_)
            if (&task->entity == entity)
                return task.get();
        return nullptr;
    }

    void perform(sched::Kick const& kick) {
        if (kick.cpu)
            schedule(kick.cpu->raw());
    }

    void schedule(std::uint32_t number) {
        Cpu& cpu = cpus_[number];
        auto const decision = scheduler.schedule(CpuId{number}, now_);
        Task* const previous = task_of(decision.previous);
        ASSERT_TRUE(previous == nullptr || previous == cpu.current || previous == cpu.resting);
        ASSERT_TRUE(cpu.resting == nullptr || cpu.resting == previous || cpu.resting == task_of(decision.next));
        cpu.resting = nullptr;
        cpu.current = task_of(decision.next);
        cpu.until = decision.until;
        ASSERT_TRUE(cpu.current == nullptr || cpu.until > now_);
        if (cpu.current != nullptr && cpu.current->waits_to_run) {
            cpu.current->waits_to_run = false;
            cpu.current->longest_delay = std::max(cpu.current->longest_delay, now_ - cpu.current->woken_at);
        }
        if (previous != nullptr && decision.next == nullptr && scheduler.rest(previous->entity))
            cpu.resting = previous;
        else if (previous != nullptr)
            perform(scheduler.context_saved(previous->entity, now_));
        decision.kicks.for_each([&](std::size_t other) { schedule(static_cast<std::uint32_t>(other)); });
    }

    [[nodiscard]] std::uint64_t next_instant() const {
        std::uint64_t next = kForever;
        for (auto const& cpu : cpus_) {
            next = std::min(next, cpu.until);
            if (cpu.current != nullptr && cpu.current->left != kForever)
                next = std::min(next, now_ + cpu.current->left);
        }
        for (auto const& task : tasks_)
            next = std::min(next, task->wakes_at);
        return next;
    }

    void advance_to(std::uint64_t instant) {
        for (auto const& cpu : cpus_)
            if (cpu.current != nullptr && cpu.current->left != kForever)
                cpu.current->left -= instant - now_;
        now_ = instant;
    }

    /// What the task on a CPU does now, and what the CPU's timer does.
    void act(std::uint32_t number) {
        Task* const task = cpus_[number].current;
        if (task != nullptr && task->left == 0) {
            task->left = task->behaviour.burst;
            if (task->behaviour.sleep != 0) {
                scheduler.block(task->entity);
                task->wakes_at = now_ + task->behaviour.sleep;
            } else {
                scheduler.yield(task->entity);
            }
            schedule(number);
        } else if (cpus_[number].until <= now_) {
            schedule(number);
        }
    }

    void wake(Task& task) {
        task.wakes_at = kForever;
        task.woken_at = now_;
        task.waits_to_run = true;
        perform(scheduler.wake(task.entity, now_));
    }

    void check() {
        std::vector<int> running(tasks_.size(), 0);
        std::vector<int> resting(tasks_.size(), 0);
        for (std::uint32_t number = 0; number < cpus_.size(); ++number) {
            for (std::size_t i = 0; i < tasks_.size(); ++i) {
                Task const& task = *tasks_[i];
                if (cpus_[number].current == &task) {
                    ++running[i];
                    ASSERT_TRUE(task.affinity.test(number)) << "runs where it may not";
                }
                resting[i] += cpus_[number].resting == &task ? 1 : 0;
                bool const waits =
                    task.entity.place() == sched::Place::waiting && task.entity.lane() != sched::Lane::parked;
                ASSERT_FALSE(cpus_[number].current == nullptr && waits && task.entity.may_run_on(CpuId{number}))
                    << "CPU " << number << " idles at " << now_ << " while task " << i << " waits";
            }
        }
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            Task const& task = *tasks_[i];
            bool const may = task.pauses == 0 && !task.entity.blocked();
            ASSERT_LE(running[i] + resting[i], 1) << "on two CPUs";
            ASSERT_EQ(task.entity.place() == sched::Place::running, running[i] == 1);
            ASSERT_EQ(may, task.entity.place() != sched::Place::off && resting[i] == 0)
                << "lost, or runs though it may not";
        }
    }

    std::vector<Cpu> cpus_;
    std::vector<std::unique_ptr<Task>> tasks_;
    std::uint64_t now_ = 0;
};

} // namespace sched_test
