#include "unpack/arena.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace {

using unpack::Arena;

struct Memory {
    alignas(std::max_align_t) std::array<std::byte, 256> bytes;
};

TEST(Arena, GivesAlignedMemoryUntilThereIsNoMore) {
    Memory memory;
    Arena arena{std::span{memory.bytes}.subspan(1)};
    auto* const one = arena.take(1);
    auto* const other = arena.take(100);
    EXPECT_EQ(one, &memory.bytes[16]);
    EXPECT_EQ(other, &memory.bytes[32]);
    EXPECT_EQ(arena.take(113), nullptr);
    EXPECT_NE(arena.take(112), nullptr);
    EXPECT_EQ(arena.take(1), nullptr);
}

TEST(Arena, RefusesWhatOverflows) {
    Memory memory;
    Arena arena{memory.bytes};
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    EXPECT_EQ(arena.take(most), nullptr);
    EXPECT_EQ(arena.take(most / 2 + 1, 2), nullptr);
    EXPECT_EQ(arena.take(most / 16 + 2, 16), nullptr);
    EXPECT_EQ(arena.take(16, 16), memory.bytes.data());
}

TEST(Arena, OfNothingHasNothing) {
    Arena arena{{}};
    EXPECT_EQ(arena.take(1), nullptr);
}

} // namespace
