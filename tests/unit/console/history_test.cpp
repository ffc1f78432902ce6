#include "console/history.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace {

using console::History;

class Histories : public testing::Test {
  protected:
    std::string read(std::optional<std::uint64_t> from, std::size_t most = 1 << 20) {
        std::string out(most, '?');
        auto const got = history->read(from, out);
        next = got.next;
        out.resize(got.size);
        return out;
    }

    std::unique_ptr<History> history = std::make_unique<History>();
    std::uint64_t next = 0;
};

TEST_F(Histories, AllThatWasWrittenCanBeRead) {
    EXPECT_EQ(read(std::nullopt), "");
    history->append("hello ");
    history->append("world");
    EXPECT_EQ(read(std::nullopt), "hello world");
    EXPECT_EQ(next, 11u);
    EXPECT_EQ(read(std::nullopt), "hello world"); // reading takes nothing away
}

TEST_F(Histories, AnIncrementalReadGoesOnWhereTheLastEnded) {
    history->append("abcdef");
    EXPECT_EQ(read(0, 4), "abcd");
    EXPECT_EQ(read(next, 4), "ef");
    EXPECT_EQ(read(next, 4), "");
    history->append("g");
    EXPECT_EQ(read(next, 4), "g");
}

TEST_F(Histories, OnlyTheLast64KibAreKept) {
    history->append(std::string(History::kSize, 'x'));
    history->append("newest");
    auto const all = read(std::nullopt);
    EXPECT_EQ(all.size(), History::kSize);
    EXPECT_EQ(all.substr(all.size() - 7), "xnewest");
    EXPECT_EQ(all.find("newest"), all.size() - 6);
}

TEST_F(Histories, APositionThatIsGoneOrNotYetThereIsTheOldest) {
    history->append("first");
    history->append(std::string(History::kSize, 'x'));
    EXPECT_EQ(read(2, 1 << 20).size(), History::kSize);
    EXPECT_EQ(read(~std::uint64_t{0}, 1 << 20).size(), History::kSize);
    EXPECT_EQ(next, 5 + History::kSize);
}

TEST_F(Histories, ClearingHidesTheOldFromReadsThatAreNotIncremental) {
    history->append("old");
    history->clear_to(3);
    EXPECT_EQ(read(std::nullopt), "");
    history->append("new");
    EXPECT_EQ(read(std::nullopt), "new");
    EXPECT_EQ(read(0), "oldnew");
    history->clear_to(1); // never back
    EXPECT_EQ(read(std::nullopt), "new");
    history->clear_to(~std::uint64_t{0}); // never ahead
    history->append("er");
    EXPECT_EQ(read(std::nullopt), "er");
}

} // namespace
