#include "boot/e820.hpp"

#include <map>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using base::Error;
using base::Maddr;
using base::Mfn;
using boot::E820Map;
using boot::FrameRange;
using boot::MemoryRange;
using boot::MemoryType;
using boot::SpaceRequest;
using testing::ElementsAre;
using enum boot::MemoryType;

MemoryRange range(std::uint64_t start, std::uint64_t end, MemoryType type) { return {Maddr{start}, Maddr{end}, type}; }
FrameRange frames(std::uint64_t first, std::uint64_t end) { return {Mfn{first}, Mfn{end}}; }

E820Map map_of(std::vector<MemoryRange> const& told) {
    E820Map map;
    EXPECT_TRUE(map.assign(told));
    return map;
}
std::vector<MemoryRange> ranges(E820Map const& map) { return {map.ranges().begin(), map.ranges().end()}; }

/// QEMU's q35 with 256 MiB.
E820Map q35() {
    return map_of({range(0, 0x9fc00, ram), range(0x9fc00, 0xa0000, reserved), range(0xf0000, 0x100000, reserved),
                   range(0x100000, 0xffe0000, ram), range(0xffe0000, 0x10000000, reserved),
                   range(0xb0000000, 0xc0000000, reserved)});
}

TEST(E820, SortsRangesAndLeavesOutEmptyOnes) {
    auto const map = map_of({range(0x3000, 0x4000, reserved), range(0x1000, 0x1000, ram), range(0x5000, 0x4000, ram),
                             range(0x1000, 0x2000, ram)});
    EXPECT_THAT(ranges(map), ElementsAre(range(0x1000, 0x2000, ram), range(0x3000, 0x4000, reserved)));
}

TEST(E820, MergesRangesThatTouchOrOverlapAndAreAlike) {
    auto const map = map_of({range(0x2000, 0x3000, ram), range(0x1000, 0x2000, ram), range(0x2800, 0x5000, ram)});
    EXPECT_THAT(ranges(map), ElementsAre(range(0x1000, 0x5000, ram)));
}

TEST(E820, TheLessUsableTypeWins) {
    auto const map =
        map_of({range(0x1000, 0x9000, ram), range(0x3000, 0x5000, reserved), range(0x4000, 0x6000, acpi_nvs),
                range(0x8000, 0xa000, unusable), range(0x7000, 0x9000, acpi_tables)});
    EXPECT_THAT(ranges(map), ElementsAre(range(0x1000, 0x3000, ram), range(0x3000, 0x5000, reserved),
                                         range(0x5000, 0x6000, acpi_nvs), range(0x6000, 0x7000, ram),
                                         range(0x7000, 0x8000, acpi_tables), range(0x8000, 0xa000, unusable)));
}

TEST(E820, ATypeNobodyKnowsIsReserved) {
    auto const map = map_of({range(0, 0x1000, MemoryType{12}), range(0x1000, 0x2000, MemoryType{0})});
    EXPECT_THAT(ranges(map), ElementsAre(range(0, 0x2000, reserved)));
}

TEST(E820, RefusesMoreRangesThanFirmwareMayTell) {
    E820Map map;
    std::vector<MemoryRange> const many(E820Map::kMaxFirmwareRanges + 1, range(0, 0x1000, ram));
    EXPECT_EQ(map.assign(many).error(), Error::no_space);
}

TEST(E820, MeansAtEveryAddressTheWorstThatWasTold) {
    std::mt19937_64 random{2};
    for (int round = 0; round < 200; ++round) {
        std::vector<MemoryRange> told(random() % E820Map::kMaxFirmwareRanges);
        for (auto& one : told) {
            auto const start = random() % 400;
            one = range(start, start + random() % 60, MemoryType{static_cast<std::uint32_t>(1 + random() % 5)});
        }
        // Index: the address; what wins, by the order of the header.
        static constexpr std::array kOrder{ram, acpi_tables, acpi_nvs, reserved, unusable};
        auto const rank = [](MemoryType type) {
            return std::find(kOrder.begin(), kOrder.end(), type) - kOrder.begin();
        };
        std::map<std::uint64_t, MemoryType> expected;
        for (auto const& one : told)
            for (auto at = one.start.raw(); at < one.end.raw(); ++at)
                if (auto const [place, fresh] = expected.try_emplace(at, one.type);
                    rank(one.type) > rank(place->second))
                    place->second = one.type;

        auto const map = map_of(told);
        std::map<std::uint64_t, MemoryType> found;
        for (auto const& one : map.ranges())
            for (auto at = one.start.raw(); at < one.end.raw(); ++at)
                ASSERT_TRUE(found.emplace(at, one.type).second);
        ASSERT_EQ(found, expected);
        for (std::size_t i = 1; i < map.ranges().size(); ++i) {
            auto const& [before, after] = std::pair{map.ranges()[i - 1], map.ranges()[i]};
            ASSERT_TRUE(before.end < after.start || (before.end == after.start && before.type != after.type));
        }
    }
}

TEST(E820, VisitsWholeFramesOfRamOnly) {
    std::vector<FrameRange> seen;
    q35().for_each_ram([&](FrameRange one) { seen.push_back(one); });
    EXPECT_THAT(seen, ElementsAre(frames(0, 0x9f), frames(0x100, 0xffe0)));
    EXPECT_EQ(q35().ram_frames(), 0x9fU + 0xfee0);
    EXPECT_EQ(q35().end_of_ram(), Mfn{0xffe0});
}

TEST(E820, ARangeWithinOneFrameIsNoFrame) {
    auto const map = map_of({range(0x1100, 0x1f00, ram), range(0x2800, 0x3800, ram)});
    EXPECT_EQ(map.ram_frames(), 0U);
    EXPECT_EQ(map.end_of_ram(), Mfn{0});
}

TEST(E820, HasNoRamIfNothingWasTold) {
    E820Map const map;
    EXPECT_EQ(map.ram_frames(), 0U);
    EXPECT_EQ(map.end_of_ram(), Mfn{0});
    EXPECT_FALSE(map.find_space({}));
}

TEST(E820, RetypesRamAndNothingElse) {
    auto map = map_of({range(0, 0x4000, ram), range(0x4000, 0x6000, acpi_nvs), range(0x6000, 0x9000, ram)});
    ASSERT_TRUE(map.retype_ram(Maddr{0x3000}, Maddr{0x7000}));
    EXPECT_THAT(ranges(map),
                ElementsAre(range(0, 0x3000, ram), range(0x3000, 0x4000, reserved), range(0x4000, 0x6000, acpi_nvs),
                            range(0x6000, 0x7000, reserved), range(0x7000, 0x9000, ram)));
}

TEST(E820, RetypesTheMiddleOfARange) {
    auto map = map_of({range(0, 0x9000, ram)});
    ASSERT_TRUE(map.retype_ram(Maddr{0x3000}, Maddr{0x4000}, unusable));
    EXPECT_THAT(ranges(map),
                ElementsAre(range(0, 0x3000, ram), range(0x3000, 0x4000, unusable), range(0x4000, 0x9000, ram)));
    EXPECT_TRUE(map.is_ram(frames(4, 9)));
    EXPECT_FALSE(map.is_ram(frames(3, 4)));
    EXPECT_FALSE(map.is_ram(frames(2, 5)));
}

TEST(E820, MergesWhatRetypingMadeAlike) {
    auto map = map_of({range(0, 0x4000, ram), range(0x4000, 0x5000, reserved), range(0x5000, 0x6000, ram)});
    ASSERT_TRUE(map.retype_ram(Maddr{0x3000}, Maddr{0x6000}));
    EXPECT_THAT(ranges(map), ElementsAre(range(0, 0x3000, ram), range(0x3000, 0x6000, reserved)));
}

TEST(E820, RetypesNothingForAnEmptyRange) {
    auto map = q35();
    auto const before = ranges(map);
    EXPECT_TRUE(map.retype_ram(Maddr{0x200000}, Maddr{0x200000}));
    EXPECT_TRUE(map.retype_ram(Maddr{0x300000}, Maddr{0x200000}));
    EXPECT_EQ(ranges(map), before);
}

TEST(E820, SaysSoWhenItCannotHoldMorePieces) {
    auto map = map_of({range(0, 0x1000000, ram)});
    std::uint64_t at = 0;
    while (map.retype_ram(Maddr{at + 0x1000}, Maddr{at + 0x2000}))
        at += 0x2000;
    EXPECT_EQ(map.retype_ram(Maddr{0x900000}, Maddr{0x901000}).error(), Error::no_space);
    EXPECT_LE(map.ranges().size(), E820Map::kMaxRanges);
}

TEST(E820, ClipsRamAndKeepsTheRest) {
    auto map = q35();
    ASSERT_TRUE(map.clip(Maddr{0x8000000}));
    EXPECT_EQ(map.end_of_ram(), Mfn{0x8000});
    EXPECT_EQ(map.ranges().back(), range(0xb0000000, 0xc0000000, reserved));
}

TEST(E820, CountsAFrameAsTouchedForASingleByte) {
    EXPECT_EQ(boot::frames_around(Maddr{0x1fff}, Maddr{0x2001}), frames(1, 3));
    EXPECT_EQ(boot::frames_around(Maddr{0x1000}, Maddr{0x2000}), frames(1, 2));
}

TEST(E820Space, IsFoundFromTheBottomOrFromTheTop) {
    EXPECT_EQ(q35().find_space({.frames = 16, .avoid = {}}).value(), Mfn{1});
    EXPECT_EQ(q35().find_space({.frames = 16, .avoid = {}, .from = SpaceRequest::From::top}).value(), Mfn{0xffd0});
    EXPECT_EQ(q35().find_space({.frames = 0xa0, .avoid = {}}).value(), Mfn{0x100});
}

TEST(E820Space, IsAligned) {
    EXPECT_EQ(q35().find_space({.frames = 4, .alignment = 512, .lowest = Mfn{0x101}, .avoid = {}}).value(), Mfn{0x200});
    EXPECT_EQ(q35().find_space({.frames = 4, .alignment = 512, .avoid = {}, .from = SpaceRequest::From::top}).value(),
              Mfn{0xfe00});
}

TEST(E820Space, StaysBetweenItsLimits) {
    EXPECT_EQ(q35().find_space({.frames = 8, .limit = Mfn{9}, .avoid = {}}).value(), Mfn{1});
    EXPECT_EQ(q35().find_space({.frames = 8, .limit = Mfn{8}, .avoid = {}}).error(), Error::no_memory);
    EXPECT_EQ(q35().find_space({.frames = 8, .lowest = Mfn{0xffd9}, .avoid = {}}).error(), Error::no_memory);
}

TEST(E820Space, AvoidsWhatItIsTold) {
    std::array const taken{frames(0x180, 0x200), frames(0x100, 0x190), frames(0x208, 0x209), frames(0x150, 0x150)};
    EXPECT_EQ(q35().find_space({.frames = 8, .lowest = Mfn{0x100}, .avoid = taken}).value(), Mfn{0x200});
    EXPECT_EQ(q35().find_space({.frames = 9, .lowest = Mfn{0x100}, .avoid = taken}).value(), Mfn{0x209});
    std::array const top{frames(0xff00, 0x10000)};
    EXPECT_EQ(q35().find_space({.frames = 9, .avoid = top, .from = SpaceRequest::From::top}).value(), Mfn{0xfef7});
}

TEST(E820Space, IsRefusedForWishesThatMakeNoSense) {
    EXPECT_EQ(q35().find_space({.frames = 0, .avoid = {}}).error(), Error::invalid);
    EXPECT_EQ(q35().find_space({.frames = 1, .alignment = 3, .avoid = {}}).error(), Error::invalid);
    EXPECT_EQ(q35().find_space({.frames = 1, .alignment = 0, .avoid = {}}).error(), Error::invalid);
    EXPECT_EQ(q35().find_space({.frames = ~std::uint64_t{0}, .avoid = {}}).error(), Error::no_memory);
    EXPECT_EQ(q35().find_space({.frames = 1, .alignment = std::uint64_t{1} << 63, .avoid = {}}).error(),
              Error::no_memory);
}

TEST(E820Space, IsFoundWhereverASlowSearchFindsIt) {
    std::mt19937_64 random{3};
    for (int round = 0; round < 300; ++round) {
        E820Map const map =
            map_of({range(0, 0x40000, ram), range(0x60000, 0xa0000, ram), range(0x90000, 0x94000, reserved)});
        std::vector<FrameRange> avoid(random() % 8);
        for (auto& one : avoid) {
            auto const first = random() % 0xa0;
            one = frames(first, first + random() % 16);
        }
        SpaceRequest request{.frames = 1 + random() % 24,
                             .alignment = std::uint64_t{1} << (random() % 5),
                             .lowest = Mfn{random() % 64},
                             .limit = Mfn{64 + random() % 128},
                             .avoid = avoid};
        auto const good = [&](std::uint64_t first) {
            FrameRange const place = frames(first, first + request.frames);
            bool const clear = std::none_of(avoid.begin(), avoid.end(), [&](FrameRange const& one) {
                return one.count() != 0 && one.first < place.end && place.first < one.end;
            });
            return clear && first % request.alignment == 0 && place.first >= request.lowest &&
                   place.end <= request.limit && map.is_ram(place);
        };
        std::vector<std::uint64_t> places;
        for (std::uint64_t first = 0; first < 0xa0; ++first)
            if (good(first))
                places.push_back(first);

        auto const lowest = map.find_space(request);
        request.from = SpaceRequest::From::top;
        auto const highest = map.find_space(request);
        ASSERT_EQ(lowest.ok(), !places.empty());
        ASSERT_EQ(highest.ok(), !places.empty());
        if (!places.empty()) {
            EXPECT_EQ(lowest.value(), Mfn{places.front()});
            EXPECT_EQ(highest.value(), Mfn{places.back()});
        }
    }
}

} // namespace
