#include "inbox.hpp"

#include <atomic>
#include <thread>
#include <variant>

#include <gtest/gtest.h>

namespace {

using migrate::event::Cancel;
using migrate::event::JournalDone;
using mover::Inbox;

constexpr int kTimes = 2000;

TEST(Inbox, WhoWaitsLooksAgainWhenHeIsTold) {
    for (int i = 0; i < kTimes; ++i) {
        Inbox inbox;
        std::atomic<bool> done{false};
        std::thread other{[&] {
            done.store(true);
            inbox.look_again();
        }};
        EXPECT_TRUE(inbox.wait_until([&] { return done.load(); }));
        other.join();
    }
}

TEST(Inbox, WhatIsUrgentEndsTheWaitHoweverNearItComesToItsBegin) {
    for (int i = 0; i < kTimes; ++i) {
        Inbox inbox;
        std::thread other{[&] { inbox.put(Cancel{migrate::Reason::user, "enough"}); }};
        EXPECT_FALSE(inbox.wait_until([] { return false; }));
        EXPECT_TRUE(std::holds_alternative<Cancel>(inbox.take({})));
        other.join();
    }
}

TEST(Inbox, WhatIsNotUrgentWaitsUntilItIsTaken) {
    Inbox inbox;
    inbox.put(JournalDone{});
    EXPECT_FALSE(inbox.urgent());
    EXPECT_TRUE(inbox.wait_until([] { return true; }));
    EXPECT_TRUE(std::holds_alternative<JournalDone>(inbox.take({})));
}

} // namespace
