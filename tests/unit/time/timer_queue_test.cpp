#include "timing/timer_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

namespace {

using timing::kNever;
using timing::Rearm;
using timing::Timer;
using timing::TimerQueue;

/// A timer that counts how often it fired.
struct Counting {
    Counting() {
        timer.bind([](void* count) { static_cast<std::atomic<int>*>(count)->fetch_add(1); }, &fired);
    }
    ~Counting() { timer.stop(); }
    Timer timer;
    std::atomic<int> fired{0};
};

TEST(TimerQueue, ATimerFiresOnceWhenItsTimeHasCome) {
    TimerQueue queue;
    Counting one;
    EXPECT_EQ(queue.start(one.timer, 100), Rearm::yes);
    EXPECT_EQ(queue.next_deadline(), 100u);
    queue.run_expired(99);
    EXPECT_EQ(one.fired, 0);
    queue.run_expired(100);
    EXPECT_EQ(one.fired, 1);
    EXPECT_FALSE(one.timer.queued());
    EXPECT_EQ(queue.next_deadline(), kNever);
    queue.run_expired(1000);
    EXPECT_EQ(one.fired, 1);
}

TEST(TimerQueue, ADeadlineInThePastIsDueAtOnce) {
    TimerQueue queue;
    Counting one;
    EXPECT_EQ(queue.start(one.timer, 0), Rearm::yes);
    EXPECT_EQ(queue.next_deadline(), 0u);
    queue.run_expired(5'000);
    EXPECT_EQ(one.fired, 1);
}

TEST(TimerQueue, OnlyAnEarlierFirstDeadlineAsksForRearming) {
    TimerQueue queue;
    Counting one;
    Counting two;
    EXPECT_EQ(queue.start(one.timer, 100), Rearm::yes);
    EXPECT_EQ(queue.start(two.timer, 100), Rearm::no);
    EXPECT_EQ(queue.start(two.timer, 200), Rearm::no);
    EXPECT_EQ(queue.start(two.timer, 50), Rearm::yes);
    EXPECT_EQ(queue.start(one.timer, kNever), Rearm::no);
}

TEST(TimerQueue, RestartingReplacesTheDeadline) {
    TimerQueue queue;
    Counting one;
    static_cast<void>(queue.start(one.timer, 100));
    static_cast<void>(queue.start(one.timer, 300));
    EXPECT_EQ(queue.next_deadline(), 300u);
    queue.run_expired(200);
    EXPECT_EQ(one.fired, 0);
    queue.run_expired(300);
    EXPECT_EQ(one.fired, 1);
}

TEST(TimerQueue, AStoppedTimerDoesNotFire) {
    TimerQueue queue;
    Counting one;
    Counting two;
    static_cast<void>(queue.start(one.timer, 100));
    static_cast<void>(queue.start(two.timer, 200));
    one.timer.stop();
    EXPECT_EQ(queue.next_deadline(), 200u);
    one.timer.stop(); // again: nothing
    queue.run_expired(1000);
    EXPECT_EQ(one.fired, 0);
    EXPECT_EQ(two.fired, 1);
}

TEST(TimerQueue, TimersFireInTheOrderOfTheirDeadlines) {
    struct Named {
        std::vector<int>* order;
        int name;
    };
    TimerQueue queue;
    std::vector<int> order;
    std::array<Named, 50> names;
    std::array<Timer, 50> timers;
    std::mt19937 random{3};
    std::vector<int> deadlines(50);
    std::iota(deadlines.begin(), deadlines.end(), 1);
    std::shuffle(deadlines.begin(), deadlines.end(), random);
    for (std::size_t i = 0; i < 50; ++i) {
        names[i] = {&order, deadlines[i]};
        timers[i].bind(
            [](void* context) {
                auto const* const named = static_cast<Named*>(context);
                named->order->push_back(named->name);
            },
            &names[i]);
        static_cast<void>(queue.start(timers[i], static_cast<std::uint64_t>(deadlines[i])));
    }
    queue.run_expired(1000);
    ASSERT_EQ(order.size(), 50u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(TimerQueue, APeriodicTimerFiresEachPeriodAndKeepsItsBeat) {
    TimerQueue queue;
    Counting one;
    static_cast<void>(queue.start(one.timer, 100, 10));
    for (std::uint64_t now = 0; now <= 200; ++now)
        queue.run_expired(now);
    EXPECT_EQ(one.fired, 11);
    EXPECT_EQ(queue.next_deadline(), 210u);
    one.timer.stop();
    EXPECT_EQ(queue.next_deadline(), kNever);
}

TEST(TimerQueue, APeriodicTimerThatComesLateFiresOnceForAllItMissed) {
    TimerQueue queue;
    Counting one;
    static_cast<void>(queue.start(one.timer, 100, 10));
    queue.run_expired(157);
    EXPECT_EQ(one.fired, 1);
    EXPECT_EQ(queue.next_deadline(), 160u);
    queue.run_expired(160);
    EXPECT_EQ(one.fired, 2);
    EXPECT_EQ(queue.next_deadline(), 170u);
}

TEST(TimerQueue, ThePeriodMayBeAsLongAsTimeItself) {
    constexpr std::uint64_t kLongest = 0x7fff'ffff'ffff'ffff;
    TimerQueue queue;
    Counting one;
    static_cast<void>(queue.start(one.timer, 100, kLongest));
    queue.run_expired(100);
    EXPECT_EQ(one.fired, 1);
    EXPECT_EQ(queue.next_deadline(), 100 + kLongest);
}

TEST(TimerQueue, ATimerMayStartItselfAgainFromItsOwnFunction) {
    struct Again {
        TimerQueue queue;
        Timer timer;
        int fired = 0;
    } again;
    again.timer.bind(
        [](void* context) {
            auto& self = *static_cast<Again*>(context);
            if (++self.fired < 3)
                static_cast<void>(self.queue.start(self.timer, 100 + static_cast<std::uint64_t>(self.fired)));
        },
        &again);
    static_cast<void>(again.queue.start(again.timer, 100));
    again.queue.run_expired(100);
    EXPECT_EQ(again.fired, 1);
    again.queue.run_expired(102);
    EXPECT_EQ(again.fired, 3);
}

TEST(TimerQueue, StartingOnAnotherCpusQueueMovesATimer) {
    TimerQueue first;
    TimerQueue second;
    Counting one;
    static_cast<void>(first.start(one.timer, 100));
    EXPECT_EQ(second.start(one.timer, 100), Rearm::yes);
    EXPECT_EQ(first.next_deadline(), kNever);
    first.run_expired(200);
    EXPECT_EQ(one.fired, 0);
    second.run_expired(200);
    EXPECT_EQ(one.fired, 1);
}

TEST(TimerQueue, AgreesWithASlowObviousOne) {
    std::mt19937 random{5};
    TimerQueue queue;
    std::vector<std::unique_ptr<Counting>> timers;
    std::vector<std::uint64_t> deadlines(40, kNever); // of the obvious queue; kNever: not in it
    std::vector<int> fired(40, 0);
    for (int i = 0; i < 40; ++i)
        timers.push_back(std::make_unique<Counting>());
    std::uint64_t now = 0;
    for (int step = 0; step < 20'000; ++step) {
        auto const i = random() % 40;
        switch (random() % 3) {
        case 0:
            deadlines[i] = now + random() % 200;
            static_cast<void>(queue.start(timers[i]->timer, deadlines[i]));
            break;
        case 1:
            deadlines[i] = kNever;
            timers[i]->timer.stop();
            break;
        case 2:
            now += random() % 50;
            queue.run_expired(now);
            for (std::size_t j = 0; j < 40; ++j) {
                if (deadlines[j] <= now) {
                    ++fired[j];
                    deadlines[j] = kNever;
                }
            }
            break;
        }
        ASSERT_EQ(queue.next_deadline(), *std::min_element(deadlines.begin(), deadlines.end()));
        ASSERT_EQ(timers[i]->fired, fired[i]);
    }
}

TEST(TimerQueue, TimersCanBeStartedAndStoppedOnAllCpusAtOnce) {
    std::array<TimerQueue, 2> queues;
    std::array<Counting, 4> timers;
    std::latch start{2};
    std::vector<std::thread> cpus;
    for (unsigned cpu = 0; cpu < 2; ++cpu) {
        cpus.emplace_back([&, cpu] {
            std::mt19937 random{cpu};
            start.arrive_and_wait();
            for (std::uint64_t now = 0; now < 20'000; ++now) {
                auto& timer = timers[random() % 4].timer;
                switch (random() % 3) {
                case 0: static_cast<void>(queues[random() % 2].start(timer, now + random() % 5)); break;
                case 1: timer.stop(); break;
                case 2: queues[cpu].run_expired(now); break;
                }
            }
        });
    }
    for (auto& cpu : cpus)
        cpu.join();

    // Whatever happened, the queues are whole: each timer that is in one fires once, and they are empty then.
    int queued = 0;
    int fired = 0;
    for (auto& one : timers) {
        queued += one.timer.queued() ? 1 : 0;
        one.fired = 0;
    }
    for (auto& queue : queues)
        queue.run_expired(1'000'000);
    for (auto& one : timers)
        fired += one.fired;
    EXPECT_EQ(fired, queued);
    for (auto& queue : queues)
        EXPECT_EQ(queue.next_deadline(), kNever);
}

} // namespace
