#include "service/journal.hpp"

#include <fstream>
#include <future>
#include <optional>

#include <gtest/gtest.h>

#include "service/history.hpp"
#include "unit/net/folders.hpp"

namespace service {
namespace {

using outcome::Kind;

struct Journals : testing::Test {
    JournalHead head{.id = net::random_id(), .role = Role::source, .vm = "web", .peer = "beta"};
    tests::Folder folder;

    std::filesystem::path write() {
        auto journal = std::move(Journal::create(folder.path(), head).value());
        EXPECT_TRUE(journal.append({.state = "precopy", .holder = Holder::here, .detail = {{"round", 3}}}));
        EXPECT_TRUE(journal.append({.state = "commit", .holder = Holder::unknown, .detail = {}}));
        EXPECT_TRUE(journal.append({.state = "moved", .holder = Holder::there, .final = true, .detail = {}}));
        return journal.path();
    }
    static std::string text_in(std::filesystem::path const& path) {
        std::ifstream file{path, std::ios::binary};
        return {std::istreambuf_iterator<char>{file}, {}};
    }
    static void put(std::filesystem::path const& path, std::string const& text) {
        std::ofstream{path, std::ios::binary} << text;
    }
};

TEST_F(Journals, AreReadAsTheyWereWritten) {
    auto const read = read_journal(write());
    ASSERT_TRUE(read);
    auto const& journal = read.value();
    EXPECT_EQ(journal.head.id, head.id);
    EXPECT_EQ(journal.head.vm, "web");
    EXPECT_EQ(journal.head.peer, "beta");
    ASSERT_EQ(journal.entries.size(), 3U);
    EXPECT_EQ(journal.entries[0].state, "precopy");
    EXPECT_EQ(journal.entries[0].detail.at("round"), 3);
    EXPECT_EQ(journal.entries[1].holder, Holder::unknown);
    EXPECT_TRUE(journal.finished());
    EXPECT_EQ(journal.holder(), Holder::there);
    EXPECT_FALSE(journal.in_use);
}

TEST_F(Journals, ThatAreCutAnywhereHaveTheEntriesThatWereWhole) {
    auto const path = write();
    auto const text = text_in(path);
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\n')
            ends.push_back(i + 1);
    for (std::size_t size = 0; size < text.size(); ++size) {
        put(path, text.substr(0, size));
        auto const read = read_journal(path);
        auto const whole = static_cast<std::size_t>(std::ranges::count_if(ends, [&](auto end) { return end <= size; }));
        ASSERT_EQ(read.ok(), whole > 0) << size;
        if (read) {
            EXPECT_EQ(read.value().entries.size(), whole - 1) << size;
            EXPECT_EQ(read.value().whole, ends[whole - 1]) << size;
        }
    }
}

TEST_F(Journals, AreBelievedUpToTheFirstOctetThatWasAltered) {
    auto const path = write();
    auto const text = text_in(path);
    auto const head_size = text.find('\n') + 1;
    for (std::size_t at = 0; at < text.size(); ++at) {
        auto damaged = text;
        damaged[at] = static_cast<char>(damaged[at] ^ 4);
        put(path, damaged);
        auto const read = read_journal(path);
        if (at < head_size) {
            EXPECT_FALSE(read) << at;
        } else {
            ASSERT_TRUE(read) << at;
            EXPECT_FALSE(read.value().finished()) << at;
        }
    }
}

TEST_F(Journals, GoOnAfterACutOffLine) {
    auto const path = write();
    put(path, text_in(path) + "12345678 {\"state\":\"half");
    {
        auto journal = Journal::reopen(path);
        ASSERT_TRUE(journal) << journal.error().message;
        ASSERT_TRUE(
            journal.value().append({.state = "recovered", .holder = Holder::here, .final = true, .detail = {}}));
    }
    auto const read = read_journal(path).value();
    ASSERT_EQ(read.entries.size(), 4U);
    EXPECT_EQ(read.entries.back().state, "recovered");
}

TEST_F(Journals, BelongToOneProcessAtATime) {
    auto const journal = Journal::create(folder.path(), head);
    EXPECT_TRUE(read_journal(journal.value().path()).value().in_use);
    EXPECT_EQ(Journal::reopen(journal.value().path()).error().kind, Kind::precondition);
    EXPECT_EQ(Journal::create(folder.path(), head).error().kind, Kind::precondition);
}

TEST_F(Journals, CanBeWaitedFor) {
    auto journal = std::optional{std::move(Journal::create(folder.path(), head).value())};
    auto const path = journal->path();
    auto next = std::async(std::launch::async, [&] { return Journal::await(path).ok(); });
    ASSERT_TRUE(journal->append({.state = "precopy", .holder = Holder::here, .detail = {}}));
    journal.reset();
    EXPECT_TRUE(next.get());
}

TEST_F(Journals, WithoutAnEntrySayThatNothingWasDone) {
    { auto const journal = Journal::create(folder.path(), head); }
    head = {.id = net::random_id(), .role = Role::destination, .vm = "web", .peer = "alpha"};
    { auto const journal = Journal::create(folder.path(), head); }
    for (auto const& one : read_journals(folder.path()).journals)
        EXPECT_EQ(one.holder(), one.head.role == Role::source ? Holder::here : Holder::there);
}

TEST_F(Journals, ThatCannotBeReadAreTold) {
    write();
    put(folder.path() / "broken.journal", "nothing");
    put(folder.path() / "README", "no journal");
    auto const found = read_journals(folder.path());
    EXPECT_EQ(found.journals.size(), 1U);
    ASSERT_EQ(found.unreadable.size(), 1U);
    EXPECT_NE(found.unreadable[0].find("broken.journal"), std::string::npos);
}

TEST_F(Journals, ThatCannotBeWrittenStopWhatTheyStandFor) {
    std::ofstream{folder.path() / "file"};
    auto const none = Journal::create(folder.path() / "file", head);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, Kind::precondition);
}

TEST(TheHistory, HasTheNewestFirst) {
    tests::Folder const folder;
    History const history{folder.path() / "deep" / "history.jsonl"};
    EXPECT_TRUE(history.last(10).empty());
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(history.add({{"id", "id" + std::to_string(i)}, {"vm", i == 2 ? "db" : "web"}}));
    std::ofstream{folder.path() / "deep" / "history.jsonl", std::ios::app} << "{\"id\": \"cut o";
    auto const last = history.last(2);
    ASSERT_EQ(last.size(), 2U);
    EXPECT_EQ(last[0].at("id"), "id4");
    EXPECT_EQ(history.find("web").at("id"), "id4");
    EXPECT_EQ(history.find("id2").at("vm"), "db");
    EXPECT_TRUE(history.find("nobody").is_null());
    EXPECT_TRUE(history.find("").is_null());
}

} // namespace
} // namespace service
