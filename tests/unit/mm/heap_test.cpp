#include "mm/heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "unit/mm/memory.hpp"

namespace {

using base::Error;
using mm::Heap;
using mm_test::Memory;

struct Small {
    explicit Small(int number) : value{number} { ++alive; }
    ~Small() { --alive; }
    int value;
    static inline int alive = 0;
};

struct Big {
    std::array<std::uint64_t, 3000> words{};
};

bool is_zero(std::byte const* bytes, std::size_t count) {
    return std::all_of(bytes, bytes + count, [](std::byte one) { return one == std::byte{0}; });
}

TEST(Heap, MakesAndDestroysObjects) {
    Memory memory{64};
    Heap heap{memory.allocator};
    auto* const one = heap.make<Small>(1).value();
    auto* const two = heap.make<Small>(2).value();
    EXPECT_NE(one, two);
    EXPECT_EQ(one->value, 1);
    EXPECT_EQ(two->value, 2);
    EXPECT_EQ(Small::alive, 2);
    heap.destroy(one);
    EXPECT_EQ(two->value, 2);
    heap.destroy(two);
    EXPECT_EQ(Small::alive, 0);
    heap.destroy<Small>(nullptr);
}

TEST(Heap, SharesAPageAmongSmallObjects) {
    Memory memory{64};
    Heap heap{memory.allocator};
    for (int i = 0; i < 63; ++i)
        ASSERT_TRUE(heap.allocate(64).ok());
    EXPECT_EQ(heap.slab_pages(), 1u);
    ASSERT_TRUE(heap.allocate(64).ok());
    EXPECT_EQ(heap.slab_pages(), 2u);
}

TEST(Heap, GivesBigObjectsARunAndTakesItBack) {
    Memory memory{64};
    Heap heap{memory.allocator};
    auto const before = memory.free_frames();
    auto* const big = heap.make<Big>().value(); // 24,000 bytes and a head: 6 pages, a run of 8
    EXPECT_EQ(memory.free_frames(), before - 8);
    big->words.fill(~std::uint64_t{0});
    heap.destroy(big);
    EXPECT_EQ(memory.free_frames(), before);
}

TEST(Heap, AlignsEverySizeAndHandsOutZeroes) {
    Memory memory{512};
    Heap heap{memory.allocator};
    for (std::size_t bytes : {0, 1, 63, 64, 65, 128, 200, 448, 449, 960, 1344, 1984, 1985, 4032, 4033, 9000}) {
        auto* const first = heap.allocate(bytes).value();
        auto* const second = heap.allocate(bytes).value();
        for (auto* const one : {first, second}) {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(one) % Heap::kAlignment, 0u) << bytes;
            EXPECT_TRUE(is_zero(one, bytes));
            std::memset(one, 0xff, bytes);
        }
        heap.free(first, bytes);
        auto* const again = heap.allocate(bytes).value();
        EXPECT_TRUE(is_zero(again, bytes)) << bytes;
        heap.free(again, bytes);
        heap.free(second, bytes);
    }
}

TEST(Heap, PoisonsWhatIsFreed) {
    Memory memory{64};
    Heap heap{memory.allocator};
    auto* const object = heap.allocate(256).value();
    std::memset(object, 0x11, 256);
    heap.free(object, 256);
    // The first bytes chain free objects.
    EXPECT_TRUE(std::all_of(object + 2, object + 256, [](std::byte one) { return one == std::byte{0xdd}; }));
}

TEST(Heap, GivesEmptyPagesBackButOne) {
    Memory memory{64};
    Heap heap{memory.allocator};
    auto const before = memory.free_frames();
    std::vector<std::byte*> objects;
    for (int i = 0; i < 40; ++i)
        objects.push_back(heap.allocate(960).value()); // four a page
    EXPECT_EQ(memory.free_frames(), before - 10);
    for (auto* const object : objects)
        heap.free(object, 960);
    EXPECT_EQ(heap.slab_pages(), 1u);
    EXPECT_EQ(memory.free_frames(), before - 1);
}

TEST(Heap, SaysNoMemory) {
    Memory memory{4};
    Heap heap{memory.allocator};
    EXPECT_EQ(heap.make<Big>().error(), Error::no_memory);
    while (heap.allocate(1984).ok()) {
    }
    EXPECT_EQ(heap.allocate(1984).error(), Error::no_memory);
    EXPECT_EQ(heap.allocate(std::size_t{1} << 31).error(), Error::too_big);
    EXPECT_EQ(heap.allocate(~std::size_t{0}).error(), Error::too_big);
}

TEST(Heap, MakesArrays) {
    Memory memory{64};
    Heap heap{memory.allocator};
    auto const numbers = heap.make_array<std::uint64_t>(100).value();
    EXPECT_EQ(numbers.size(), 100u);
    EXPECT_TRUE(std::all_of(numbers.begin(), numbers.end(), [](auto one) { return one == 0; }));
    heap.destroy_array(numbers);
    EXPECT_EQ(heap.make_array<std::uint64_t>(~std::size_t{0} / 4).error(), Error::too_big);
}

TEST(Heap, NeverOverlapsObjects) {
    Memory memory{1024};
    Heap heap{memory.allocator};
    struct Block {
        std::byte* memory;
        std::size_t bytes;
        unsigned char mark;
    };
    std::vector<Block> blocks;
    std::mt19937 random{3};
    auto const intact = [](Block const& block) {
        return std::all_of(block.memory, block.memory + block.bytes,
                           [&](std::byte one) { return one == std::byte{block.mark}; });
    };
    for (int step = 0; step < 4000; ++step) {
        if (blocks.size() < 100 && random() % 2 == 0) {
            std::size_t const bytes = 1 + random() % (random() % 8 == 0 ? 9000 : 700);
            Block const block{heap.allocate(bytes).value(), bytes, static_cast<unsigned char>(random() % 255 + 1)};
            std::memset(block.memory, block.mark, bytes);
            blocks.push_back(block);
        } else if (!blocks.empty()) {
            std::swap(blocks[random() % blocks.size()], blocks.back());
            ASSERT_TRUE(intact(blocks.back()));
            heap.free(blocks.back().memory, blocks.back().bytes);
            blocks.pop_back();
        }
    }
    for (auto const& block : blocks)
        EXPECT_TRUE(intact(block));
}

TEST(Heap, ServesSeveralCpusAtOnce) {
    Memory memory{512};
    Heap heap{memory.allocator};
    std::vector<std::thread> cpus;
    for (unsigned cpu = 0; cpu < 2; ++cpu)
        cpus.emplace_back([&, cpu] {
            for (unsigned round = 0; round < 50; ++round) {
                std::vector<unsigned*> mine;
                for (unsigned i = 0; i < 20; ++i)
                    mine.push_back(heap.make<unsigned>(cpu * 1000 + i).value());
                for (unsigned i = 0; i < 20; ++i) {
                    EXPECT_EQ(*mine[i], cpu * 1000 + i);
                    heap.destroy(mine[i]);
                }
            }
        });
    for (auto& cpu : cpus)
        cpu.join();
    EXPECT_EQ(heap.slab_pages(), 1u);
}

} // namespace
