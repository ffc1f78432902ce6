#include "base/number.hpp"

#include <gtest/gtest.h>

#include <concepts>

namespace {

using base::DomId;
using base::Port;

TEST(Number, IsZeroUnlessSaidOtherwise) { EXPECT_EQ(DomId{}.raw(), 0); }

TEST(Number, IsComparedByValue) {
    EXPECT_EQ(Port{7}, Port{7});
    EXPECT_LT(Port{7}, Port{8});
}

template <typename A, typename B>
concept Comparable = requires(A a, B b) {
    a == b;
};

TEST(Number, OfOneSpaceIsNoNumberOfAnother) {
    static_assert(Comparable<Port, Port>);
    static_assert(!Comparable<Port, base::GrantRef>);
    static_assert(!std::convertible_to<std::uint32_t, Port>);
    static_assert(!std::convertible_to<Port, std::uint32_t>);
    static_assert(!std::constructible_from<base::VcpuId, base::CpuId>);
}

TEST(Number, CostsNothing) {
    static_assert(sizeof(DomId) == sizeof(std::uint16_t));
    static_assert(sizeof(Port) == sizeof(std::uint32_t));
}

} // namespace
