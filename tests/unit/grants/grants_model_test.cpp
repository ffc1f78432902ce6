/// Random calls of two mappers and random writes of a granter against a model of a few lines: what each reference is
/// used for, what its entry says, and how many hold each frame.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "unit/grants/world.hpp"

namespace {

using base::DomId;
using base::Gfn;
using base::Mfn;
using grants_test::Environment;
using grants_test::kAlice;
using grants_test::kBob;
using grants_test::kCarol;
using grants_test::World;

constexpr std::uint32_t kRefs = 4; ///< 8..11
constexpr std::uint32_t kGfns = 3; ///< 30..32 have pages, 33 has none

struct Held {
    DomId mapper;
    std::uint32_t handle;
    std::uint32_t ref;
    std::uint64_t address;
    bool writable, host, device;
};

class Model {
  public:
    explicit Model(unsigned seed) : random_{seed} {
        for (std::uint32_t i = 0; i < kGfns; ++i)
            frames_[30 + i] = world_.alice().populate(Gfn{30 + i});
    }

    void run(int steps) {
        for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
            SCOPED_TRACE(step);
            switch (below(4)) {
            case 0: guest_writes(); break;
            case 1: unmap(); break;
            default: map();
            }
            check();
        }
        while (!held_.empty())
            unmap();
        check();
    }

  private:
    struct Entry {
        unsigned flags = 0;
        DomId to;
        std::uint32_t gfn = 0;
    };

    std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

    /// The granter grants, withdraws as the protocol asks, or just writes what it likes.
    void guest_writes() {
        auto const ref = 8 + below(kRefs);
        Entry& entry = entries_[ref];
        if (below(3) == 0 && (entry.flags & (GTF_reading | GTF_writing)) != 0)
            return; // a polite guest does not end an access that goes on
        unsigned const types[] = {GTF_permit_access, GTF_permit_access, GTF_permit_access, GTF_invalid,
                                  GTF_accept_transfer};
        entry.flags = types[below(5)] | (below(3) == 0 ? GTF_readonly : 0);
        entry.to = below(2) == 0 ? kBob : kCarol;
        entry.gfn = 30 + below(kGfns + 1);
        world_.alice().entry(ref) = {
            .flags = static_cast<std::uint16_t>(entry.flags), .domid = entry.to.raw(), .frame = entry.gfn};
    }

    std::vector<Held> users(std::uint32_t ref) const {
        std::vector<Held> result;
        for (auto const& one : held_)
            if (one.ref == ref)
                result.push_back(one);
        return result;
    }
    bool has_writer(std::uint32_t ref) const {
        for (auto const& one : users(ref))
            if (one.writable)
                return true;
        return false;
    }

    void map() {
        auto const mapper = below(2) == 0 ? kBob : kCarol;
        auto const ref = 8 + below(kRefs);
        bool const writable = below(2) == 0;
        std::uint32_t const paths = below(4); // none, too
        std::uint64_t const address = next_address_ += base::kPageSize;
        auto op = grants_test::map_record(address, paths | (writable ? 0u : GNTMAP_readonly), ref, kAlice.raw());

        Entry& entry = entries_[ref];
        auto const others = users(ref);
        bool const first = others.empty();
        bool const claims = first || (writable && !has_writer(ref));
        std::int16_t expected = GNTST_okay;
        if (paths == 0)
            expected = GNTST_bad_gntref;
        else if (!first && others.front().mapper != mapper)
            expected = GNTST_general_error;
        else if (claims && ((entry.flags & GTF_type_mask) != GTF_permit_access || entry.to != mapper ||
                            (writable && (entry.flags & GTF_readonly) != 0)))
            expected = GNTST_general_error;
        else if (first && !frames_.contains(entry.gfn))
            expected = GNTST_bad_page;

        grants::map(environment(mapper), op);
        ASSERT_EQ(op.status, expected);
        if (expected == GNTST_bad_page)
            entry.flags &= ~unsigned{GTF_reading | GTF_writing};
        if (expected != GNTST_okay)
            return;
        if (first)
            pinned_[ref] = frames_.at(entry.gfn);
        if (claims)
            entry.flags |= GTF_reading | (writable ? GTF_writing : 0);
        EXPECT_EQ(op.dev_bus_addr, address_of(pinned_[ref]).raw());
        held_.push_back({mapper, op.handle, ref, address, writable, (paths & GNTMAP_host_map) != 0,
                         (paths & GNTMAP_device_map) != 0});
    }

    void unmap() {
        if (held_.empty())
            return;
        auto const index = below(static_cast<std::uint32_t>(held_.size()));
        Held& one = held_[index];
        bool const by_host = below(4) != 0;
        bool const by_device = below(4) != 0;
        auto op = grants_test::unmap_record(by_host ? one.address : 0,
                                            by_device ? address_of(pinned_[one.ref]).raw() : 0, one.handle);
        grants::unmap(environment(one.mapper), std::span{&op, 1});
        ASSERT_EQ(op.status, GNTST_okay);
        bool const ended_something = (by_host && one.host) || (by_device && one.device);
        one.host = one.host && !by_host;
        one.device = one.device && !by_device;
        auto const ref = one.ref;
        if (!one.host && !one.device)
            held_.erase(held_.begin() + index);
        if (!ended_something)
            return;
        // The marks go with the last use of their kind, whatever the guest wrote meanwhile.
        if (!has_writer(ref))
            entries_[ref].flags &= ~unsigned{GTF_writing};
        if (users(ref).empty())
            entries_[ref].flags &= ~unsigned{GTF_reading};
    }

    void check() {
        std::map<Mfn, std::uint32_t> pins, writers;
        for (std::uint32_t ref = 8; ref < 8 + kRefs; ++ref) {
            auto const& entry = world_.alice().entry(ref);
            EXPECT_EQ(entry.flags, entries_[ref].flags) << "ref " << ref;
            if (users(ref).empty())
                continue;
            ++pins[pinned_[ref]];
            writers[pinned_[ref]] += has_writer(ref) ? 1 : 0;
        }
        for (auto const& [gfn, frame] : frames_) {
            auto& info = world_.memory.table.info(frame);
            EXPECT_EQ(info.references, 1 + pins[frame]);
            EXPECT_EQ(info.state.word().count(), writers[frame]);
        }
        for (auto const mapper : {kBob, kCarol}) {
            std::size_t handles = 0, entries = 0;
            for (auto const& one : held_) {
                handles += one.mapper == mapper ? 1 : 0;
                entries += one.mapper == mapper && one.host ? 1 : 0;
            }
            EXPECT_EQ(world_.domains[mapper]->track([](grants::MapTrack& track) { return track.in_use(); }), handles);
            EXPECT_EQ(environment(mapper).entries.size(), entries);
        }
    }

    Environment& environment(DomId mapper) { return mapper == kBob ? bob_ : carol_; }

    World world_;
    Environment bob_{world_.domains, kBob};
    Environment carol_{world_.domains, kCarol};
    std::mt19937 random_;
    std::map<std::uint32_t, Mfn> frames_;    ///< of Alice, by gfn
    std::map<std::uint32_t, Entry> entries_; ///< what each shared entry must say
    std::map<std::uint32_t, Mfn> pinned_;    ///< what each reference in use stands for
    std::vector<Held> held_;
    std::uint64_t next_address_ = 0x1000;
};

class GrantsModel : public testing::TestWithParam<unsigned> {};

TEST_P(GrantsModel, AgreeWithTheRules) {
    Model model{GetParam()};
    model.run(3000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GrantsModel, testing::Range(1u, 7u));

} // namespace
