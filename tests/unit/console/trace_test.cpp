#include "trace/ring.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace {

using trace::Event;
using trace::Record;

std::vector<std::uint64_t> stamps(trace::Ring<8> const& ring, std::size_t most) {
    std::vector<std::uint64_t> out;
    ring.for_last(most, [&](Record const& record) { out.push_back(record.tsc); });
    return out;
}

TEST(TraceRing, ShowsTheLastRecordsOldestFirst) {
    trace::Ring<8> ring;
    EXPECT_TRUE(stamps(ring, 8).empty());
    for (std::uint64_t i = 1; i <= 3; ++i)
        ring.write(i, Event::mark);
    EXPECT_EQ(stamps(ring, 8), (std::vector<std::uint64_t>{1, 2, 3}));
    EXPECT_EQ(stamps(ring, 2), (std::vector<std::uint64_t>{2, 3}));
    EXPECT_TRUE(stamps(ring, 0).empty());
}

TEST(TraceRing, ForgetsTheOldest) {
    trace::Ring<8> ring;
    for (std::uint64_t i = 1; i <= 100; ++i)
        ring.write(i, Event::mark);
    EXPECT_EQ(stamps(ring, 100), (std::vector<std::uint64_t>{93, 94, 95, 96, 97, 98, 99, 100}));
}

TEST(TraceRing, ARecordKeepsAllItsWords) {
    trace::Ring<8> ring;
    ring.write(1, Event::hypercall, trace::who(3, 2), 29, 0xaaaa, 0xbbbb);
    ring.for_last(1, [](Record const& record) {
        EXPECT_EQ(record.event, Event::hypercall);
        EXPECT_EQ(record.words, (std::array<std::uint64_t, 4>{0x3'0000'0002, 29, 0xaaaa, 0xbbbb}));
    });
}

TEST(TraceRing, EveryEventHasAName) {
    for (auto event = 0u; event <= static_cast<unsigned>(Event::mark); ++event)
        EXPECT_NE(trace::name(static_cast<Event>(event)), "?");
}

TEST(TraceRing, AReaderSeesWholeRecordsOnlyWhileSeveralWrite) {
    trace::Ring<8> ring; // small, so that writers overtake each other and the reader
    std::atomic<bool> stop{false};
    std::vector<std::thread> writers;
    for (std::uint64_t writer = 1; writer <= 2; ++writer) {
        writers.emplace_back([&, writer] {
            for (std::uint64_t i = writer << 32; !stop.load(std::memory_order_relaxed); ++i)
                ring.write(i, Event::mark, i, i, i, i);
        });
    }
    std::uint64_t seen = 0;
    bool whole = true;
    for (int round = 0; round < 200'000 || seen == 0; ++round) {
        ring.for_last(8, [&](Record const& record) {
            ++seen;
            for (auto const word : record.words)
                whole = whole && word == record.tsc;
        });
    }
    stop.store(true);
    for (auto& writer : writers)
        writer.join();
    EXPECT_TRUE(whole);
    EXPECT_GT(seen, 0u);
}

} // namespace
