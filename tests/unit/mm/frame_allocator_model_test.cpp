/// Random requests against a model that knows only which frames are whose.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

#include "mm/frame_allocator.hpp"
#include "unit/mm/memory.hpp"

namespace {

using base::Mfn;

/// A set of free frames; a run exists if an aligned stretch of them is free.
class Model {
  public:
    explicit Model(std::set<std::uint64_t> free) : free_{std::move(free)} {}

    [[nodiscard]] bool has_run(unsigned order, std::uint64_t end) const {
        std::uint64_t const size = std::uint64_t{1} << order;
        for (auto const first : free_)
            if (first % size == 0 && first + size <= end && is_free(first, size))
                return true;
        return false;
    }
    [[nodiscard]] bool is_free(std::uint64_t first, std::uint64_t size) const {
        for (auto frame = first; frame < first + size; ++frame)
            if (!free_.contains(frame))
                return false;
        return true;
    }
    void take(std::uint64_t first, std::uint64_t size) {
        for (auto frame = first; frame < first + size; ++frame)
            free_.erase(frame);
    }
    void put(std::uint64_t frame) { free_.insert(frame); }
    [[nodiscard]] std::size_t size() const { return free_.size(); }

  private:
    std::set<std::uint64_t> free_;
};

class FrameAllocatorModel : public testing::TestWithParam<unsigned> {};

TEST_P(FrameAllocatorModel, AgreesWithASetOfFrames) {
    constexpr std::uint64_t kFrames = 600; // not a power of two
    mm_test::Memory memory{kFrames};
    std::set<std::uint64_t> all;
    for (std::uint64_t frame = 1; frame < kFrames; ++frame)
        all.insert(frame);
    Model model{all};
    std::vector<Mfn> held;
    std::mt19937 random{GetParam()};
    auto const below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>{0, end - 1}(random); };

    for (int step = 0; step < 1500; ++step) {
        bool const growing = below(2) == 0 ? true : held.empty();
        if (growing) {
            auto const order = static_cast<unsigned>(below(8));
            auto const address_bits = static_cast<unsigned>(below(4) == 0 ? 17 + below(6) : 64);
            std::uint64_t const end = address_bits >= 22 ? kFrames : std::uint64_t{1} << (address_bits - 12);
            auto const run = memory.allocator.allocate({.order = order, .address_bits = address_bits});

            // The buddy system joins whatever can be joined: a run exists for it exactly if it does for the model.
            ASSERT_EQ(run.ok(), model.has_run(order, end)) << "step " << step;
            if (!run.ok())
                continue;
            std::uint64_t const size = std::uint64_t{1} << order;
            ASSERT_EQ(run.value().raw() % size, 0u);
            ASSERT_LE(run.value().raw() + size, end);
            ASSERT_TRUE(model.is_free(run.value().raw(), size));
            model.take(run.value().raw(), size);
            for (std::uint64_t i = 0; i < size; ++i)
                held.push_back(run.value() + i);
        } else {
            // Frames of a run come back one by one, in any order.
            for (std::size_t n = below(80); n-- > 0 && !held.empty();) {
                std::swap(held[below(held.size())], held.back());
                memory.table.drop_reference(held.back());
                model.put(held.back().raw());
                held.pop_back();
            }
        }
        ASSERT_EQ(memory.free_frames(), model.size());
    }
    for (auto const frame : held)
        memory.table.drop_reference(frame);
    EXPECT_EQ(memory.free_frames(), kFrames - 1);
    EXPECT_TRUE(memory.allocator.allocate({.order = 8}).ok()); // 256..511
}

INSTANTIATE_TEST_SUITE_P(Seeds, FrameAllocatorModel, testing::Range(1u, 9u));

} // namespace
