#include "grants/shared_entry.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

namespace {

using base::DomId;
using base::Gfn;
using grants::Access;
using grants::Fault;
using grants::SharedEntry;

constexpr DomId kMapper{7};

/// The two views of the same eight bytes.
struct Entry {
    Entry(unsigned flags, DomId domain, std::uint32_t frame = 5) {
        guest() = {.flags = static_cast<std::uint16_t>(flags), .domid = domain.raw(), .frame = frame};
    }
    grant_entry_v1& guest() { return *reinterpret_cast<grant_entry_v1*>(bytes); }
    SharedEntry& ours() { return *reinterpret_cast<SharedEntry*>(bytes); }
    alignas(8) std::byte bytes[8];
};

TEST(SharedEntry, MarksWhatItClaims) {
    Entry entry{GTF_permit_access, kMapper};
    ASSERT_TRUE(entry.ours().claim(kMapper, Access::read).ok());
    EXPECT_EQ(entry.guest().flags, GTF_permit_access | GTF_reading);
    ASSERT_TRUE(entry.ours().claim(kMapper, Access::write).ok());
    EXPECT_EQ(entry.guest().flags, GTF_permit_access | GTF_reading | GTF_writing);
    EXPECT_EQ(entry.guest().domid, kMapper.raw());
    EXPECT_EQ(entry.ours().frame(), Gfn{5});
}

TEST(SharedEntry, KeepsTheGuestsOtherFlags) {
    Entry entry{GTF_permit_access | GTF_readonly | GTF_PCD | 0x8000, kMapper};
    ASSERT_TRUE(entry.ours().claim(kMapper, Access::read).ok());
    EXPECT_EQ(entry.guest().flags, GTF_permit_access | GTF_readonly | GTF_PCD | 0x8000 | GTF_reading);
}

TEST(SharedEntry, RefusesEveryTypeButPermitAccess) {
    for (unsigned const type : {GTF_invalid, GTF_accept_transfer, GTF_transitive}) {
        Entry entry{type, kMapper};
        EXPECT_EQ(entry.ours().claim(kMapper, Access::read).error(), Fault::general_error);
        EXPECT_EQ(entry.guest().flags, type);
    }
}

TEST(SharedEntry, RefusesAnotherMapper) {
    Entry entry{GTF_permit_access, DomId{8}};
    EXPECT_EQ(entry.ours().claim(kMapper, Access::read).error(), Fault::general_error);
    EXPECT_EQ(entry.guest().flags, GTF_permit_access);
}

TEST(SharedEntry, RefusesToWriteWhatIsReadOnly) {
    Entry entry{GTF_permit_access | GTF_readonly, kMapper};
    EXPECT_EQ(entry.ours().claim(kMapper, Access::write).error(), Fault::general_error);
    EXPECT_EQ(entry.guest().flags, GTF_permit_access | GTF_readonly);
}

TEST(SharedEntry, ReleasesItsMarksOnly) {
    Entry entry{GTF_permit_access | GTF_reading | GTF_writing | GTF_PWT, kMapper};
    entry.ours().release(false);
    EXPECT_EQ(entry.guest().flags, GTF_permit_access | GTF_reading | GTF_PWT);
    entry.ours().release(true);
    EXPECT_EQ(entry.guest().flags, GTF_permit_access | GTF_PWT);
}

TEST(SharedEntry, PermitsAsAGuestWould) {
    Entry entry{0, DomId{0}, 0};
    entry.ours().permit(DomId{0}, Gfn{0x1234});
    EXPECT_EQ(entry.guest().flags, GTF_permit_access);
    EXPECT_EQ(entry.guest().domid, 0);
    EXPECT_EQ(entry.guest().frame, 0x1234u);
}

TEST(SharedEntry, SurvivesAScribbler) { // SP-7
    // A CPU of the guest's flips the entry between all kinds of nonsense. A claim ends, with a yes or a no; and a yes
    // means that the marks were put on a word that permitted it: never on one for another domain or of another type.
    Entry entry{0, kMapper};
    auto& head = *reinterpret_cast<std::atomic<std::uint32_t>*>(entry.bytes);
    std::atomic<bool> stop{false};
    std::atomic<bool> wrongly_marked{false};
    std::thread scribbler{[&] {
        std::uint32_t const words[] = {GTF_permit_access | 7u << 16, GTF_permit_access | 8u << 16,
                                       GTF_accept_transfer | 7u << 16, GTF_permit_access | GTF_readonly | 7u << 16, 0};
        for (unsigned i = 0; !stop; ++i) {
            auto const was = head.exchange(words[i % 5]);
            bool const marked = (was & (GTF_reading | GTF_writing)) != 0;
            bool const writing = (was & GTF_writing) != 0;
            bool const permits = (was & 0xffff0003) == (GTF_permit_access | 7u << 16);
            if (marked && (!permits || (writing && (was & GTF_readonly) != 0)))
                wrongly_marked = true;
        }
    }};
    int claimed = 0;
    for (int i = 0; i < 3'000'000 || (claimed < 10 && i < 50'000'000); ++i)
        claimed += entry.ours().claim(kMapper, i % 2 == 0 ? Access::read : Access::write).ok() ? 1 : 0;
    stop = true;
    scribbler.join();
    EXPECT_FALSE(wrongly_marked);
    EXPECT_GE(claimed, 10);
}

} // namespace
