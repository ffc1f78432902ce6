/// tern_op: pages of a paused domain written, and read, without a mapping (abi/tern.h, SP-23).
#include <vector>

#include "abi/tern.h"
#include "domain/log_dirty.hpp"
#include "domain/special_gfns.hpp"
#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

class Pages : public Kernel {
  protected:
    static constexpr std::uint64_t kGfns = kPage;
    static constexpr std::uint64_t kResults = kPage + 0x800;
    static constexpr std::uint64_t kData = kOtherPage;
    static constexpr std::int32_t kUntouched = 77;

    /// As the call shall see them; results begin as kUntouched.
    tern_pages pages(std::vector<std::uint64_t> const& gfns) {
        for (std::size_t i = 0; i < gfns.size(); ++i) {
            hypervisor.put(kGfns + i * 8, gfns[i]);
            hypervisor.put(kResults + i * 4, kUntouched);
        }
        tern_pages request{};
        request.domain = 1;
        request.count = static_cast<std::uint32_t>(gfns.size());
        request.gfns = kGfns;
        request.data = kData;
        request.results = kResults;
        return request;
    }
    std::int64_t ask(unsigned command, tern_pages& request) {
        auto const answer = call(__HYPERVISOR_tern_op, command, put(request));
        request = get<tern_pages>();
        return answer;
    }
    std::int32_t result(std::size_t which) { return hypervisor.get<std::int32_t>(kResults + which * 4); }
    /// The @p which-th page of data is @p value everywhere.
    void fill_data(std::size_t which, std::uint64_t value) {
        for (std::uint64_t at = 0; at < base::kPageSize; at += 8)
            hypervisor.put(kData + which * base::kPageSize + at, value);
    }
    bool all_are(std::uint64_t gfn, std::uint64_t value) {
        auto const* const words = other.words(gfn);
        return std::all_of(words, words + base::kTableEntries, [&](std::uint64_t word) { return word == value; });
    }
    bool data_are(std::size_t which, std::uint64_t value) {
        for (std::uint64_t at = 0; at < base::kPageSize; at += 8)
            if (hypervisor.get<std::uint64_t>(kData + which * base::kPageSize + at) != value)
                return false;
        return true;
    }

    SecondDomain other{hypervisor};
};

TEST_F(Pages, WhatIsWrittenIsThereAndIsReadAgain) {
    other.stop();
    fill_data(0, 0x1111);
    fill_data(1, 0x2222);
    auto request = pages({9, 6});
    ASSERT_EQ(ask(TERN_write_pages, request), 0);
    EXPECT_EQ(request.done, 2U);
    EXPECT_EQ(result(0), 0);
    EXPECT_EQ(result(1), 0);
    EXPECT_TRUE(all_are(9, 0x1111));
    EXPECT_TRUE(all_are(6, 0x2222));

    request = pages({6, 9});
    request.results = 0;
    ASSERT_EQ(ask(TERN_read_pages, request), 0);
    EXPECT_EQ(request.done, 2U);
    EXPECT_TRUE(data_are(0, 0x2222));
    EXPECT_TRUE(data_are(1, 0x1111));
    EXPECT_EQ(result(0), kUntouched);
}

TEST_F(Pages, WithoutDataTheyBecomeZero) {
    other.stop();
    other.words(7)[511] = 5;
    auto request = pages({7});
    request.data = 0;
    ASSERT_EQ(ask(TERN_write_pages, request), 0);
    EXPECT_TRUE(all_are(7, 0));
}

TEST_F(Pages, EachHasItsOwnResult) {
    other.stop();
    for (unsigned i = 0; i < 6; ++i)
        fill_data(i, 0x40 + i);
    // A table, one that is not there, a special one, a number beyond all.
    auto request = pages({6, 3, SecondDomain::kFrames, domain::kSharedInfoGfn.raw(), ~std::uint64_t{0}, 7});
    auto const table_before = *other.words(3);
    ASSERT_EQ(ask(TERN_write_pages, request), 0);
    EXPECT_EQ(request.done, 6U);
    std::int32_t const results[] = {0, kEbusy, kEnoent, kEinval, kEnoent, 0};
    for (unsigned i = 0; i < 6; ++i)
        EXPECT_EQ(result(i), results[i]) << i;
    EXPECT_TRUE(all_are(6, 0x40));
    EXPECT_TRUE(all_are(7, 0x45));
    EXPECT_EQ(*other.words(3), table_before);

    request = pages({6, 3, SecondDomain::kFrames, domain::kSharedInfoGfn.raw(), ~std::uint64_t{0}, 7});
    ASSERT_EQ(ask(TERN_read_pages, request), 0);
    EXPECT_EQ(result(1), 0) << "a table can be read";
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kData + base::kPageSize), table_before);
    EXPECT_EQ(result(2), kEnoent);
    EXPECT_EQ(result(3), kEinval);
    EXPECT_EQ(result(5), 0);
}

TEST_F(Pages, WithoutResultsTheFirstThatFailsEndsIt) {
    other.stop();
    for (unsigned i = 0; i < 3; ++i)
        fill_data(i, 0x50 + i);
    auto request = pages({6, 3, 7});
    request.results = 0;
    EXPECT_EQ(ask(TERN_write_pages, request), kEbusy);
    EXPECT_EQ(request.done, 1U);
    EXPECT_TRUE(all_are(6, 0x50));
    EXPECT_FALSE(all_are(7, 0x52));
}

TEST_F(Pages, TheyAreDirtyAfterwards) {
    other.stop();
    ASSERT_TRUE(domain::start_log_dirty(*other.domain).ok());
    other.domain->log.clear();
    auto request = pages({6, 3, 9});
    ASSERT_EQ(ask(TERN_write_pages, request), 0);
    std::uint64_t word = 0;
    EXPECT_TRUE(other.domain->log.peek(0, {&word, 1}));
    EXPECT_EQ(word, std::uint64_t{1} << 6 | std::uint64_t{1} << 9);
    request = pages({7});
    ASSERT_EQ(ask(TERN_read_pages, request), 0);
    EXPECT_TRUE(other.domain->log.take(0, {&word, 1}));
    EXPECT_EQ(word, std::uint64_t{1} << 6 | std::uint64_t{1} << 9) << "not by being read";
    domain::stop_log_dirty(*other.domain);
}

TEST_F(Pages, ALongListIsContinuedWhereItStopped) { // SP-9
    other.stop();
    std::vector<std::uint64_t> gfns;
    for (std::uint64_t i = 0; i < 60; ++i) {
        gfns.push_back(5 + i % 11);
        fill_data(i, 0x100 + i);
    }
    auto request = pages(gfns);
    time_flies();
    ASSERT_EQ(ask(TERN_write_pages, request), 0);
    EXPECT_GE(hypervisor.continued, 3U);
    EXPECT_EQ(request.done, 60U);
    for (std::uint64_t i = 49; i < 60; ++i)
        EXPECT_TRUE(all_are(gfns[i], 0x100 + i)) << i;
    for (unsigned i = 0; i < 60; ++i)
        EXPECT_EQ(result(i), 0) << i;
}

TEST_F(Pages, TheCallersMemoryMayBeAnything) {
    other.stop();
    auto request = pages({6, 7});
    request.gfns = kNowhere;
    EXPECT_EQ(ask(TERN_write_pages, request), kEfault);
    EXPECT_EQ(request.done, 0U);
    request = pages({6, 7});
    request.data = kHole;
    EXPECT_EQ(ask(TERN_write_pages, request), kEfault);
    EXPECT_EQ(request.done, 0U);
    request = pages({6, 7});
    request.data = 0;
    EXPECT_EQ(ask(TERN_read_pages, request), kEfault) << "0 is no place to read to";
    request = pages({6, 7});
    request.data = ~std::uint64_t{0} << 12; // the second page would lie at 0
    EXPECT_EQ(ask(TERN_read_pages, request), kEfault);
    request = pages({6, 7});
    request.results = kHole;
    EXPECT_EQ(ask(TERN_write_pages, request), kEfault);
    EXPECT_EQ(call(__HYPERVISOR_tern_op, TERN_write_pages, kNowhere), kEfault);
}

TEST_F(Pages, WhoseTheyCannotBeIsRefused) {
    auto request = pages({6});
    EXPECT_EQ(ask(TERN_write_pages, request), kEbusy) << "it runs";
    EXPECT_EQ(ask(TERN_read_pages, request), 0) << "which may be read";
    other.stop();
    request.domain = 0;
    EXPECT_EQ(ask(TERN_write_pages, request), kEinval) << "the caller itself";
    request.domain = 2;
    EXPECT_EQ(ask(TERN_write_pages, request), kEsrch);
    request.domain = DOMID_SELF;
    EXPECT_EQ(ask(TERN_read_pages, request), kEsrch);
    request.domain = 1;
    request.flags = 1;
    EXPECT_EQ(ask(TERN_write_pages, request), kEinval);
    other.go();
    EXPECT_EQ(other.call(__HYPERVISOR_tern_op, TERN_read_pages, SecondDomain::kScratch), kEperm);
}

TEST_F(Pages, NoneIsDoneAtOnce) {
    other.stop();
    auto request = pages({});
    request.gfns = request.data = kNowhere;
    EXPECT_EQ(ask(TERN_write_pages, request), 0);
    EXPECT_EQ(request.done, 0U);
}

} // namespace
