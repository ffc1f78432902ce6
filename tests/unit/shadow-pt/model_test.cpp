// The model test: a guest on several CPUs does whatever comes to its mind, while the MMU does whatever it may, and a
// slow, obvious reference says what it may.
//
// A run is one seed. CPUs take turns at whole operations and, where an operation is preempted, in the middle of it; the
// MMUs of the CPUs that are in the guest are at work inside of operations too, each time that shadow paging calls its
// host. What is checked:
//
//   at every access   it reaches only what the guest's tables allowed at some moment since the CPU last flushed, with
//                     any mixture of old upper and new lower entries; never a frame or shadow page in another life; a
//                     write never reaches a table, a descriptor page or a shadow
//   after a flush     what the guest's tables allow works, with A and D set as a processor would set them; what they
//                     do not allow faults with the right error code
//   after an operation  entries read back as they were written, plus A and D; D is nowhere without a write; on an
//                     error nothing changed; every page written is in the log or has its D bit in a shadow
//   when all is quiet every frame's use, count and references are what the tables add up to
//   at the end        nothing is left
#include <gtest/gtest.h>

#include <cstdlib>

#include "model/operations.hpp"

namespace shadow_pt_test {
namespace {

class World : public Operations {
  public:
    using Operations::Operations;

    void step() {
        current_ = static_cast<unsigned>(pick(kCpus));
        auto& cpu = cpus_[current_];
        if (cpu.pending) {
            if (chance(2))
                resume();
            else
                guest_access();
        } else {
            operate();
        }
        hardware_at_work();
        after_operation();
        if (chance(4))
            enter_or_leave();
    }

    void end() {
        for (current_ = 0; current_ < kCpus; ++current_) { // each as itself
            while (cpus_[current_].pending)
                resume();
            for (unsigned root = 0; root < kRoots; ++root)
                while (!drop_root(root))
                    ;
        }
        for (auto const pin : reference.pins)
            while (!paging.relinquish(Mfn{pin}).ok())
                ;
        reference.pins.clear();
        paging.stop_tracking();
        for (auto const& [mfn, use] : reference.holds)
            paging.unhold(Mfn{mfn}, use);
        reference.holds.clear();
        for (std::uint64_t mfn = 0; mfn < kFirstShadow; ++mfn)
            while (!paging.relinquish(Mfn{mfn}).ok())
                ;
        while (!paging.settle().ok())
            ;
        reference.observe();
        reference.check_counts();
        Machine::must(machine.shadows_taken() == 0, "shadow pages leaked");
    }

    [[nodiscard]] Did did() const {
        auto did = did_;
        did.stores = paging.counters().stores_emulated;
        did.hidden_faults = paging.counters().hidden_faults;
        did.write_faults = paging.counters().write_faults;
        did.flushes_for_tables = paging.counters().flushes_for_tables;
        did.evictions = paging.counters().shadows_evicted;
        return did;
    }
};

/// One seed. SEED=n in the environment plays that one alone, as to look at a failure.
Did play(std::uint64_t seed, bool translated, Memory memory) {
    constexpr unsigned kSteps = 3'000;
    World world{seed, translated, memory};
    unsigned step = 0;
    try {
        for (; step < kSteps; ++step)
            world.step();
        world.end();
    } catch (std::exception const& failure) {
        ADD_FAILURE() << failure.what() << ": seed " << seed << ", step " << step << ", "
                      << (translated ? "translated" : "direct");
    }
    return world.did();
}

template <typename Translated> Did play_seeds(Translated&& translated, Memory memory) {
    constexpr std::uint64_t kSeeds = 20;
    if (char const* const chosen = std::getenv("SEED")) {
        auto const seed = std::strtoul(chosen, nullptr, 0);
        return play(seed, translated(seed), memory);
    }
    Did did;
    for (std::uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed)
        did += play(seed, translated(seed), memory);
    return did;
}

void expect_all_came_about(Did const& did, std::uint64_t lendings = 100) {
    if (std::getenv("SEED") != nullptr)
        return; // one seed need not see everything
    for (auto const times : {did.pins, did.roots, did.refusals, did.preemptions, did.accesses, did.fresh, did.stores,
                             did.hidden_faults, did.write_faults, did.flushes_for_tables, did.harvests})
        EXPECT_GT(times, 100U);
    EXPECT_GT(std::min(did.lent, did.unmapped), lendings);
}

TEST(Model, ADirectDomainCanDoNothingThatItsTablesDoNotAllowAndAllThatTheyDo) {
    expect_all_came_about(play_seeds([](std::uint64_t) { return false; }, Memory::plenty));
}

TEST(Model, ATranslatedDomainCanDoNothingThatItsTablesDoNotAllowAndAllThatTheyDo) {
    expect_all_came_about(play_seeds([](std::uint64_t) { return true; }, Memory::plenty));
}

TEST(Model, ADomainWithATightPoolOfShadowsCannotTell) { // SP-10
    for (bool const translated : {false, true}) {
        auto const did = play_seeds([=](std::uint64_t) { return translated; }, Memory::tight);
        expect_all_came_about(did, 10);
        EXPECT_GT(did.evictions, std::getenv("SEED") == nullptr ? 10'000U : 0U);
    }
}

TEST(Model, ADomainWithoutMemoryForShadowsIsSafeAndLeavesNothing) { // SP-10
    play_seeds([](std::uint64_t seed) { return seed % 2 == 0; }, Memory::starved);
}

} // namespace
} // namespace shadow_pt_test
