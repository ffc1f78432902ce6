#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace {

using base::Err;
using base::Error;
using base::Result;
using base::Status;

Result<int> half_of(int number) {
    if (number % 2 != 0)
        return Err{Error::invalid};
    return number / 2;
}

Result<int> quarter_of(int number) {
    int const half = TRY(half_of(number));
    return half_of(half);
}

Status is_multiple_of_four(int number) {
    TRY(quarter_of(number));
    return {};
}

TEST(Result, IsAValueOrAnError) {
    EXPECT_TRUE(half_of(4).ok());
    EXPECT_EQ(half_of(4).value(), 2);
    EXPECT_FALSE(half_of(3));
    EXPECT_EQ(half_of(3).error(), Error::invalid);
}

TEST(Result, TryGivesTheValueOrReturnsTheError) {
    EXPECT_EQ(quarter_of(8).value(), 2);
    EXPECT_EQ(quarter_of(6).error(), Error::invalid);
}

TEST(Result, TryMayStandInsideATry) {
    auto const eighth_of = [](int number) -> Result<int> { return TRY(half_of(TRY(quarter_of(number)))); };
    EXPECT_EQ(eighth_of(16).value(), 2);
    EXPECT_EQ(eighth_of(12).error(), Error::invalid);
    EXPECT_EQ(eighth_of(6).error(), Error::invalid);
}

TEST(Result, OfNothingIsSuccessOrAnError) {
    EXPECT_TRUE(is_multiple_of_four(8).ok());
    EXPECT_EQ(is_multiple_of_four(6).error(), Error::invalid);
}

TEST(Result, TryInAFunctionWithoutAValueRunsOnAfterSuccess) {
    auto const both = []() -> Status {
        TRY(is_multiple_of_four(4));
        TRY(is_multiple_of_four(2));
        return {};
    };
    EXPECT_EQ(both().error(), Error::invalid);
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
    auto const make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
    auto const pass_on = [&]() -> Result<std::unique_ptr<int>> { return TRY(make()); };
    EXPECT_EQ(*pass_on().value(), 7);
}

TEST(Result, DestroysItsValueOnce) {
    auto const counted = std::make_shared<int>(0);
    {
        Result<std::shared_ptr<int>> const one{counted};
        Result<std::shared_ptr<int>> const copy{one}; // NOLINT(performance-unnecessary-copy-initialization)
        EXPECT_EQ(counted.use_count(), 3);
    }
    EXPECT_EQ(counted.use_count(), 1);
}

TEST(ResultDeathTest, AskingAnErrorForItsValueIsABug) {
    EXPECT_DEATH((void)half_of(3).value(), "assertion failed: ok_");
    EXPECT_DEATH((void)half_of(4).error(), "assertion failed: !ok_");
    EXPECT_DEATH(is_multiple_of_four(2).value(), "assertion failed: ok_");
}

} // namespace
