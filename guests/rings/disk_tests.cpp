/// The ring of a disk, which dom0's kernel reads: what each request asks is checked by it, and a ring that cannot be is left alone until
/// it is connected anew. In each test the guest sees that nothing of its memory stays behind with the back end.
#include "disk.hpp"
#include "lib/dice.hpp"
#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/vcpu.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kMagic = 0xd15c;

/// Why there is nothing to do; null if there is something.
char const* no_disk() {
    if (char const* const why = not_in_this_run())
        return why;
    return Disk::get().exists() ? nullptr : "the guest has no disk";
}

/// What the first test has written is read.
bool serves() {
    Disk& disk = Disk::get();
    disk.data()[3] = 0;
    return disk.ask(disk.good()) == BLKIF_RSP_OKAY && disk.data()[3] == kMagic;
}

struct Wrong {
    char const* what;
    void (*spoil)(blkif_request& request);
};

blkif_request_indirect& indirect(blkif_request& request) {
    request = {};
    auto& as = reinterpret_cast<blkif_request_indirect&>(request);
    as.operation = BLKIF_OP_INDIRECT;
    as.indirect_op = BLKIF_OP_READ;
    as.nr_segments = 1;
    as.indirect_grefs[0] = Disk::kData;
    return as;
}

constexpr Wrong kWrong[] = {
    {"no segment", [](blkif_request& request) { request.nr_segments = 0; }},
    {"a segment too many", [](blkif_request& request) { request.nr_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST + 1; }},
    {"all segments", [](blkif_request& request) { request.nr_segments = 255; }},
    {"reserved operation", [](blkif_request& request) { request.operation = BLKIF_OP_RESERVED_1; }},
    {"the operation after the last", [](blkif_request& request) { request.operation = BLKIF_OP_INDIRECT + 1; }},
    {"no operation", [](blkif_request& request) { request.operation = 255; }},
    {"a grant that is none", [](blkif_request& request) { request.seg[0].gref = Disk::kNone; }},
    {"a grant beyond the table", [](blkif_request& request) { request.seg[0].gref = 1U << 20; }},
    {"the last grant", [](blkif_request& request) { request.seg[0].gref = ~0U; }},
    {"another's grant", [](blkif_request& request) { request.seg[0].gref = Disk::kOthers; }},
    {"read into what is to be read", [](blkif_request& request) { request.seg[0].gref = Disk::kReadOnly; }},
    {"beyond the page", [](blkif_request& request) { request.seg[0].last_sect = 8; }},
    {"far beyond the page", [](blkif_request& request) { request.seg[0].last_sect = 255; }},
    {"ends before it begins",
     [](blkif_request& request) {
         request.seg[0].first_sect = 5;
         request.seg[0].last_sect = 4;
     }},
    {"beyond the disk", [](blkif_request& request) { request.sector_number = 1ULL << 40; }},
    {"the last sector that a number can name", [](blkif_request& request) { request.sector_number = ~0ULL; }},
    {"written beyond the disk",
     [](blkif_request& request) {
         request.operation = BLKIF_OP_WRITE;
         request.sector_number = ~0ULL - 3;
     }},
    {"too much, indirectly", [](blkif_request& request) { indirect(request).nr_segments = 0xffff; }},
    {"nothing, indirectly", [](blkif_request& request) { indirect(request).nr_segments = 0; }},
    {"no operation, indirectly", [](blkif_request& request) { indirect(request).indirect_op = 99; }},
    {"segments from where there are none",
     [](blkif_request& request) { indirect(request).indirect_grefs[0] = Disk::kNone; }},
    {"segments that are none",
     [](blkif_request& request) {
         __builtin_memset(Disk::get().data().entries(), 0xff, kPageSize);
         indirect(request).nr_segments = 200;
     }},
    {"discarded beyond the disk",
     [](blkif_request& request) {
         request = {};
         auto& discard = reinterpret_cast<blkif_request_discard&>(request);
         discard.operation = BLKIF_OP_DISCARD;
         discard.sector_number = ~0ULL - 1;
         discard.nr_sectors = ~0ULL;
     }},
};

} // namespace

TEST("a disk is written and read") {
    if (char const* const why = no_disk())
        return skip(why);
    Disk& disk = Disk::get();
    CHECK(disk.connect());
    disk.data()[3] = kMagic;
    CHECK_EQ(disk.ask(disk.good(BLKIF_OP_WRITE)), BLKIF_RSP_OKAY);
    CHECK(serves());
}

TEST("requests that cannot be done are refused one by one, and the good one after each is done") {
    if (char const* const why = no_disk())
        return skip(why);
    Disk& disk = Disk::get();
    for (auto const& wrong : kWrong) {
        auto request = disk.good();
        wrong.spoil(request);
        auto const status = disk.ask(request);
        if (status == BLKIF_RSP_OKAY || status == Disk::kNoAnswer)
            fail(__FILE_NAME__, __LINE__, wrong.what, static_cast<std::uint64_t>(status), 0);
        if (!serves())
            return fail(__FILE_NAME__, __LINE__, wrong.what);
    }
}

TEST("more requests than answers are taken: all are done, and the answers' index is the back end's own") {
    if (char const* const why = no_disk())
        return skip(why);
    Disk& disk = Disk::get();
    for (unsigned round = 0; round < 4; ++round) {
        for (unsigned i = 0; i < Disk::kRequests; ++i)
            disk.put(disk.good());
        disk.ring().rsp_prod = 0xdead + round;
        disk.tell();
        CHECK_EQ(disk.answer(), BLKIF_RSP_OKAY);
    }
    CHECK(serves());
}

TEST("requests that change while they are read: each is answered") {
    if (char const* const why = no_disk())
        return skip(why);
    SKIP_UNLESS(vcpus() > 1, "one vCPU");
    Disk& disk = Disk::get();
    unsigned volatile at = disk.next();
    bool volatile over = false;
    // Reads alone: what the disk has is to be compared afterwards.
    auto change = [&] {
        Dice dice{0xb10c};
        while (!over) {
            auto volatile& request = disk.slot(at);
            switch (dice.below(4)) {
            case 0: request.nr_segments = static_cast<std::uint8_t>(dice.once_in(2) ? 1 : dice.next()); break;
            case 1:
                request.seg[0].gref = dice.once_in(2) ? Disk::kData : static_cast<grant_ref_t>(dice.below(40));
                break;
            case 2: request.seg[0].last_sect = static_cast<std::uint8_t>(dice.below(16)); break;
            default: request.sector_number = dice.once_in(2) ? 0 : dice.next();
            }
        }
    };
    auto const request = disk.good();
    start_on(1, change);
    unsigned done = 0, answered = 0;
    for (unsigned i = 0; i < 200; ++i) {
        at = disk.next();
        auto const status = disk.ask(request);
        answered += status != Disk::kNoAnswer;
        done += status == BLKIF_RSP_OKAY;
    }
    over = true;
    wait_for(1);
    print("# ", done, " of ", answered, " done\n");
    CHECK_EQ(answered, 200);
    CHECK(done < 200);
    CHECK(serves());
}

TEST("a ring with more requests than it holds is left alone, and serves when it is connected anew") {
    if (char const* const why = no_disk())
        return skip(why);
    Disk& disk = Disk::get();
    for (RING_IDX const distance : {Disk::kRequests + 1, 4096U, 0x7fff'ffffU, 0x8000'0000U, ~0U}) {
        CHECK(serves());
        RING_IDX const answered = disk.ring().rsp_prod;
        disk.ring().req_prod = answered + distance;
        for (unsigned i = 0; i < 100; ++i)
            disk.notify();
        let_others_look();
        CHECK_EQ(disk.ring().rsp_prod, answered);
        CHECK(disk.close());
        CHECK(disk.connect());
    }
    CHECK(serves());
    CHECK(disk.close());
}

// Ring references and ports that are none are not among these: Linux 6.1 refuses them as well, and then warns of itself when the device is
// closed (xen-blkback/xenbus.c:337), so that nobody could see a warning that is to be seen.
TEST("terms that the back end does not know are refused, and then good ones are taken") {
    if (char const* const why = no_disk())
        return skip(why);
    Disk& disk = Disk::get();
    struct {
        std::string_view key, value;
    } const wrong[] = {
        {"protocol", "x86_65-abi"},
        {"ring-page-order", "31"},
        {"ring-page-order", "4294967295"},
        {"multi-queue-num-queues", "0"},
        {"multi-queue-num-queues", "1000000"},
    };
    for (auto const& [key, value] : wrong) {
        if (!disk.connects_wrongly(key, value)) {
            print("# ", key, " ", value, "\n");
            fail(__FILE_NAME__, __LINE__, "an error");
        }
        CHECK(disk.close());
    }
    CHECK(disk.connect());
    CHECK(serves());
}
