#include "policy/cap.hpp"

#include <gtest/gtest.h>

namespace {

using policy::cap_for;

TEST(Cap, OfADomainThatIsNotSlowedDownIsWhatItWas) {
    EXPECT_EQ(cap_for(0, 4, 0), 0);
    EXPECT_EQ(cap_for(0, 4, 150), 150);
}

TEST(Cap, LeavesTheRestOfAllItsVcpus) {
    EXPECT_EQ(cap_for(0.4, 1, 0), 60);
    EXPECT_EQ(cap_for(0.95, 8, 0), 40);
}

TEST(Cap, IsAShareOfTheOneThatItHadBefore) {
    EXPECT_EQ(cap_for(0.5, 4, 150), 75);
    EXPECT_EQ(cap_for(0.5, 1, 150), 50) << "it never had more than its one CPU";
}

TEST(Cap, AlwaysLeavesSomething) {
    EXPECT_EQ(cap_for(1, 1, 0), 1);
    EXPECT_EQ(cap_for(0.999, 1, 2), 1);
    EXPECT_EQ(cap_for(0.5, 0, 0), 50);
}

} // namespace
