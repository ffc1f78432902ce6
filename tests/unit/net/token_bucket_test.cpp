#include "net/token_bucket.hpp"

#include <gtest/gtest.h>

namespace net {
namespace {

using std::chrono::milliseconds;

struct Spending : testing::Test {
    TokenBucket::Clock::time_point now{std::chrono::hours{1}};
    TokenBucket bucket{1'000'000}; // a thousand octets a millisecond
};

TEST_F(Spending, WithoutALimitNeverWaits) {
    TokenBucket free{0};
    EXPECT_EQ(free.take(now, 1ULL << 40).count(), 0);
    EXPECT_EQ(free.take(now, 1ULL << 40).count(), 0);
}

TEST_F(Spending, WaitsForWhatWasSpentBefore) {
    bucket.take(now, 10'000); // what was kept
    EXPECT_EQ(bucket.take(now, 50'000), milliseconds{0});
    EXPECT_EQ(bucket.take(now, 1'000), milliseconds{50});
    EXPECT_EQ(bucket.take(now + milliseconds{20}, 0), milliseconds{31});
}

TEST_F(Spending, KeepsNoMoreThanTenMillisecondsOfWhatWasNotUsed) {
    bucket.take(now, 0);
    now += std::chrono::hours{1};
    EXPECT_EQ(bucket.take(now, 12'000), milliseconds{0});
    EXPECT_EQ(bucket.take(now, 0), milliseconds{2});
}

TEST_F(Spending, KeepsTheRateOverManySenders) {
    auto finished = now;
    for (int i = 0; i < 1'000; ++i)
        finished = now + bucket.take(now, 10'000);
    EXPECT_EQ(finished - now, milliseconds{9'980}); // the last may begin when 999 have been paid, less what was kept
}

TEST_F(Spending, FollowsANewRateFromThenOn) {
    bucket.take(now, 20'000);
    bucket.set_rate(10'000'000);
    EXPECT_EQ(bucket.take(now, 100'000), milliseconds{10});
    EXPECT_EQ(bucket.take(now, 0), milliseconds{20});
}

} // namespace
} // namespace net
