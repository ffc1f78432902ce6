#include "base/function_ref.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace {

using base::FunctionRef;

int call_with_two(FunctionRef<int(int)> function) { return function(2); }
int twice(int number) { return 2 * number; }

TEST(FunctionRef, CallsALambdaWithItsCaptures) {
    int calls = 0;
    EXPECT_EQ(call_with_two([&](int number) {
                  ++calls;
                  return number + 1;
              }),
              3);
    EXPECT_EQ(calls, 1);
}

TEST(FunctionRef, CallsAPlainFunction) {
    EXPECT_EQ(call_with_two(twice), 4);
    EXPECT_EQ(call_with_two(&twice), 4);
}

TEST(FunctionRef, CopiedRefersToTheSameCallable) {
    int count = 0;
    auto const counter = [&](int) { return ++count; };
    FunctionRef<int(int)> const first{counter};
    FunctionRef<int(int)> const second{first}; // a copy refers to the counter, not to `first`
    EXPECT_EQ(first(0), 1);
    EXPECT_EQ(second(0), 2);
}

TEST(FunctionRef, PassesOnWhatCanOnlyBeMoved) {
    auto take = [](std::unique_ptr<int> number) { return *number; };
    FunctionRef<int(std::unique_ptr<int>)> const function{take};
    EXPECT_EQ(function(std::make_unique<int>(5)), 5);
}

} // namespace
