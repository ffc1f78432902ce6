#include "migrate/in_place.hpp"

#include <gtest/gtest.h>

namespace {

using migrate::CatchUp;
using migrate::InPlace;

TEST(InPlace, IsAnsweredWhenSoMuchIsThereAndNotBefore) {
    InPlace streams;
    EXPECT_FALSE(streams.put(100)) << "nobody has asked";
    EXPECT_FALSE(streams.asked(CatchUp{250}));
    EXPECT_FALSE(streams.put(149));
    auto const answer = streams.put(1);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->octets, 250);
    EXPECT_FALSE(streams.put(1000)) << "each question has one answer";
}

TEST(InPlace, IsAnsweredAtOnceWhenItIsThereAlready) {
    InPlace streams;
    EXPECT_TRUE(streams.asked(CatchUp{0}));
    static_cast<void>(streams.put(300));
    auto const answer = streams.asked(CatchUp{200});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->octets, 200) << "it is what was asked for";
}

} // namespace
