/// What a CPU's root page shows, against an MMU that caches whatever it can.
#include "x86/root_page.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

#include "arch_fake/machine.hpp"

namespace {

using arch::Root;
using base::Mfn;
using x86::Reveal;

constexpr std::uint64_t kTable = 0x67; // P, W, U, A, D
constexpr unsigned kKernelImage = 511;
constexpr unsigned kDirectMap = 273;
constexpr unsigned kProgram = 0;
constexpr Mfn kPage{1}, kKernel{2}, kUser{3}, kOtherKernel{4}, kOtherUser{5};
constexpr std::uint64_t kMachineToPhys = 0x7000 | kTable;

class RootPages : public testing::Test {
  protected:
    RootPages() {
        root.begin(page, kMachineToPhys);
        set(kKernel, kProgram, 0x10000 | kTable);
        set(kUser, kProgram, 0x10000 | kTable);
        set(kKernel, kDirectMap, 0x20000 | kTable);
        set(kKernel, kKernelImage, 0x30000 | kTable);
        set(kUser, kKernelImage, 0x40000 | kTable); // the vsyscall page's
        root.install(Root::kernel, kKernel);
        root.install(Root::user, kUser);
    }

    static void set(Mfn shadow, unsigned slot, std::uint64_t entry) {
        arch::frame_as<std::uint64_t>(shadow)[slot] = entry;
    }
    /// As the shadows' owner does it: the shadow first, then whoever shows it.
    void change(Root which, Mfn shadow, unsigned slot, std::uint64_t entry) {
        set(shadow, slot, entry);
        root.patch(which, shadow, slot, entry);
    }

    arch_fake::Machine machine{{.frames = 16, .cpus = 1}};
    std::uint64_t* const page = arch::frame_as<std::uint64_t>(kPage);
    x86::RootPage root;
};

TEST_F(RootPages, AKernelSlotIsShownFromItsFirstFaultOn) {
    EXPECT_EQ(page[kDirectMap], 0U);
    EXPECT_EQ(root.reveal(kDirectMap), Reveal::shown);
    EXPECT_EQ(page[kDirectMap], 0x20000 | kTable);
    EXPECT_EQ(root.reveal(kDirectMap), Reveal::nothing) << "the fault had another cause";
    EXPECT_EQ(root.reveal(kDirectMap + 1), Reveal::nothing) << "there is nothing";
    root.turn();
    EXPECT_EQ(page[kDirectMap], 0U) << "a program does not see it";
    root.turn();
    EXPECT_EQ(page[kDirectMap], 0x20000 | kTable) << "without a fault this time";
}

TEST_F(RootPages, EnteringTheKernelOnlyAddsAndLeavingItTakesAway) {
    EXPECT_EQ(root.reveal(kKernelImage), Reveal::shown);
    EXPECT_FALSE(root.turn());
    EXPECT_TRUE(root.turn());
    EXPECT_EQ(page[kKernelImage], 0x30000 | kTable);
}

TEST_F(RootPages, TheMachineToPhysTableIsTheKernelsAlone) {
    EXPECT_EQ(page[x86::kMachineToPhysSlot], kMachineToPhys);
    root.turn();
    EXPECT_EQ(page[x86::kMachineToPhysSlot], 0U);
    EXPECT_EQ(root.reveal(x86::kMachineToPhysSlot), Reveal::nothing);
}

TEST_F(RootPages, AHighSlotOfAProgramsCostsAFlushOnlyWhenItWasUsed) {
    root.reveal(kKernelImage);
    root.turn();
    EXPECT_EQ(page[kKernelImage], 0U);
    EXPECT_EQ(root.reveal(kKernelImage), Reveal::shown);
    EXPECT_EQ(page[kKernelImage], 0x40000 | kTable);
    EXPECT_FALSE(root.turn()) << "what was cached of it would be wrong now";
    EXPECT_EQ(page[kKernelImage], 0x30000 | kTable);
    root.turn();
    EXPECT_TRUE(root.turn());
}

TEST_F(RootPages, ALowSlotIsShownFromItsFirstFaultOnWhateverRootComes) {
    EXPECT_EQ(page[kProgram], 0U);
    EXPECT_EQ(root.reveal(kProgram), Reveal::shown);
    EXPECT_EQ(page[kProgram], 0x10000 | kTable);
    root.turn();
    EXPECT_EQ(page[kProgram], 0x10000 | kTable) << "a program sees it as well";
    set(kOtherUser, kProgram, 0x60000 | kTable);
    root.install(Root::user, kOtherUser);
    EXPECT_EQ(page[kProgram], 0x60000 | kTable) << "without a fault this time";
    root.install(Root::user, {});
    EXPECT_EQ(page[kProgram], 0U);
}

TEST_F(RootPages, LowSlotsThatDifferAreShownAsEachRootHasThem) {
    change(Root::kernel, kKernel, 7, 0x50000 | kTable);
    EXPECT_EQ(page[7], 0U);
    EXPECT_EQ(root.reveal(7), Reveal::shown);
    EXPECT_FALSE(root.turn());
    EXPECT_EQ(page[7], 0U);
    EXPECT_TRUE(root.turn());
    EXPECT_EQ(page[7], 0x50000 | kTable);
}

TEST_F(RootPages, AChangeOfAShadowThatIsNotInstalledChangesNothing) {
    root.reveal(kProgram);
    change(Root::kernel, kOtherKernel, kProgram, 0);
    EXPECT_EQ(page[kProgram], 0x10000 | kTable);
}

TEST_F(RootPages, WhenManySlotsOfAHalfAreUsedTheFirstAreForgottenAndTheTlbFlushed) {
    for (unsigned const first : {1U, 272U}) {
        unsigned flushes = 0;
        for (unsigned slot = first; slot < first + 68; ++slot) {
            set(kKernel, slot, slot << 12 | kTable);
            auto const done = root.reveal(slot);
            ASSERT_NE(done, Reveal::nothing);
            flushes += done == Reveal::shown_after_flush ? 1 : 0;
        }
        EXPECT_EQ(flushes, 2U);
        EXPECT_EQ(page[first], 0U);
        EXPECT_EQ(page[first + 67], (first + 67) << 12 | kTable);
    }
    EXPECT_FALSE(root.turn());
    for (unsigned slot = 0; slot < 512; ++slot)
        EXPECT_EQ(page[slot], 0U) << "the program has none of them: " << slot;
}

/// Does anything, in any order; the MMU caches every entry that it may, and drops them only when it is told to.
TEST_F(RootPages, NothingThatAnMmuCanHaveCachedIsEverWrong) {
    std::mt19937 random{1}; // NOLINT(cert-msc51-cpp): the same each time
    auto const pick = [&](unsigned count) { return static_cast<unsigned>(random() % count); };
    std::map<unsigned, std::uint64_t> cached;
    std::array<Mfn, 2> shadows{kKernel, kUser};
    auto mode = Root::kernel;
    auto const index = [](Root which) { return static_cast<std::size_t>(which); };
    constexpr std::array<unsigned, 8> kSlots{0, 1, 2, 255, 272, 273, 300, 511};
    for (unsigned step = 0; step < 200'000; ++step) {
        auto const which = pick(2) == 0 ? Root::kernel : Root::user;
        // Now and then one of many, so that the lists of used slots overflow.
        auto const slot = pick(4) != 0 ? kSlots[pick(kSlots.size())] : pick(2) == 0 ? pick(64) : 272 + pick(64);
        switch (pick(8)) {
        case 0: { // another process; the one in use is flushed, as use_root() does
            shadows[index(which)] =
                which == Root::kernel ? (pick(2) == 0 ? kKernel : kOtherKernel) : (pick(2) == 0 ? kUser : kOtherUser);
            root.install(which, shadows[index(which)]);
            if (which == mode)
                cached.clear();
            break;
        }
        case 1: { // entries that narrow are flushed by who changes them
            auto const shadow = shadows[index(which)];
            auto const entry = pick(3) == 0 ? 0 : std::uint64_t{pick(3) + 1} << 16 | kTable;
            change(which, shadow, slot, entry);
            if (which == mode)
                cached.erase(slot);
            break;
        }
        case 2:
        case 3:
            if (!root.turn())
                cached.clear();
            mode = mode == Root::kernel ? Root::user : Root::kernel;
            break;
        default: { // an access
            auto const right = arch::frame_as<std::uint64_t>(shadows[index(mode)])[slot];
            if (cached.contains(slot))
                break;
            if (page[slot] == 0 && right != 0) {
                auto const done = root.reveal(slot);
                ASSERT_NE(done, Reveal::nothing) << "the guest would fault for ever, step " << step;
                if (done == Reveal::shown_after_flush)
                    cached.clear();
            }
            if (page[slot] != 0)
                cached[slot] = page[slot];
        }
        }
        for (auto const& [where, entry] : cached)
            ASSERT_EQ(entry, arch::frame_as<std::uint64_t>(shadows[index(mode)])[where])
                << "slot " << where << ", step " << step;
    }
}

} // namespace
