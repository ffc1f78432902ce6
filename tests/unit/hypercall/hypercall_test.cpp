#include "hypercall/dispatch.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/hypercall/audit.hpp"
#include "unit/hypercall/hypervisor.hpp"

namespace {

using test::Hypervisor;
using test::Idle;

constexpr std::int64_t kEperm = -1, kEfault = -14, kEnodev = -19, kEinval = -22, kEnosys = -38;
constexpr std::uint64_t kNowhere = 0x7fff'0000'0000;   ///< mapped by nobody
constexpr std::uint64_t kHole = 0xffff'8100'0000'0000; ///< the hypervisor's

class Hypercall : public testing::Test {
  protected:
    Hypervisor hypervisor;
};

TEST_F(Hypercall, AnswersTheVersionOfXenWhoseAbiItSpeaks) {
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_xen_version, XENVER_version, 0), (4 << 16) | 17);
}

TEST_F(Hypercall, RefusesAnUnknownNumber) {
    EXPECT_EQ(hypervisor.call(63), kEnosys);
    EXPECT_EQ(hypervisor.call(~std::uint64_t{0}), kEnosys);
}

TEST_F(Hypercall, RefusesAPointerThatTheGuestCouldNotUse) {
    for (std::uint64_t const bad : {kNowhere, kHole, std::uint64_t{0x8000'0000'0000}, ~std::uint64_t{7}})
        EXPECT_EQ(hypervisor.call(__HYPERVISOR_xen_version, XENVER_get_features, bad), kEfault) << std::hex << bad;
}

TEST_F(Hypercall, SaysThatNoExtentWasDoneWhenItCannotReadWhich) {
    for (auto const command : {XENMEM_decrease_reservation, XENMEM_populate_physmap})
        for (std::uint64_t const bad : {kNowhere, kHole})
            EXPECT_EQ(hypervisor.call(__HYPERVISOR_memory_op, command, bad), 0) << command << std::hex << bad;
}

TEST_F(Hypercall, TellsTheFeaturesThatLinuxCannotDoWithout) {
    auto const at = hypervisor.put(Hypervisor::kScratch, xen_feature_info_t{.submap_idx = 0, .submap = 0});
    ASSERT_EQ(hypervisor.call(__HYPERVISOR_xen_version, XENVER_get_features, at), 0);
    auto const map = hypervisor.get<xen_feature_info_t>(at).submap;
    EXPECT_TRUE(map >> XENFEAT_mmu_pt_update_preserve_ad & 1);
    EXPECT_TRUE(map >> XENFEAT_gnttab_map_avail_bits & 1);
    EXPECT_TRUE(map >> XENFEAT_dom0 & 1);
    EXPECT_FALSE(map >> XENFEAT_hvm_callback_vector & 1);
    EXPECT_FALSE(map >> XENFEAT_writable_page_tables & 1);
}

TEST_F(Hypercall, PrintsWhatDomainZeroWrites) {
    auto const at = hypervisor.put(Hypervisor::kScratch, std::array<char, 6>{'h', 'e', 'l', 'l', 'o', '\n'});
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_console_io, CONSOLEIO_write, 6, at), 0);
    EXPECT_THAT(hypervisor.machine.console_output, testing::HasSubstr("hello\r\n"));
}

TEST_F(Hypercall, CarriesOutEachEntryOfAMulticallWhateverBecameOfTheOthers) {
    std::array<multicall_entry_t, 3> calls{};
    calls[0].op = __HYPERVISOR_xen_version;
    calls[1].op = 63;
    calls[2].op = __HYPERVISOR_xen_version;
    auto const at = hypervisor.put(Hypervisor::kScratch, calls);
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_multicall, at, 3), 0);
    auto const after = hypervisor.get<std::array<multicall_entry_t, 3>>(at);
    EXPECT_EQ(after[0].result, (4UL << 16) | 17);
    EXPECT_EQ(static_cast<std::int64_t>(after[1].result), kEnosys);
    EXPECT_EQ(after[2].result, (4UL << 16) | 17);
}

TEST_F(Hypercall, RefusesAMulticallWithinAMulticall) {
    std::array<multicall_entry_t, 1> calls{};
    calls[0].op = __HYPERVISOR_multicall;
    calls[0].args[0] = Hypervisor::kScratch;
    calls[0].args[1] = 1;
    auto const at = hypervisor.put(Hypervisor::kScratch, calls);
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_multicall, at, 1), 0);
    EXPECT_EQ(static_cast<std::int64_t>(hypervisor.get<multicall_entry_t>(at).result), kEinval);
}

TEST_F(Hypercall, GivesUpcallsOnlyWhereTheGuestHasACallbackForThem) {
    auto const at = hypervisor.put(Hypervisor::kScratch,
                                   evtchn_alloc_unbound_t{.dom = DOMID_SELF, .remote_dom = DOMID_SELF, .port = 0});
    ASSERT_EQ(hypervisor.call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, at), 0);
    EXPECT_GT(hypervisor.get<evtchn_alloc_unbound_t>(at).port, 0U);
    EXPECT_EQ(hypervisor.vcpu().info()->evtchn_upcall_mask, 1) << "events start masked";
}

TEST_F(Hypercall, ShutsTheMachineDownWhenDomainZeroDoes) {
    auto const at = hypervisor.put(Hypervisor::kScratch, sched_shutdown_t{.reason = SHUTDOWN_poweroff});
    EXPECT_THROW(hypervisor.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, at), arch_fake::PoweredOff);
}

TEST_F(Hypercall, LetsABlockedVcpuWaitWithEventsOn) {
    EXPECT_THROW(hypervisor.call(__HYPERVISOR_sched_op, SCHEDOP_block), Idle);
    EXPECT_EQ(hypervisor.vcpu().info()->evtchn_upcall_mask, 0);
    EXPECT_TRUE(hypervisor.vcpu().entity.blocked());
}

TEST_F(Hypercall, DoesNotLetAGuestBreakAtAnAddressOfTheHypervisor) {
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_set_debugreg, 0, kHole), kEperm);
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_set_debugreg, 9, 0), kEnodev);
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_set_debugreg, 0, Hypervisor::kScratch), 0);
    EXPECT_EQ(hypervisor.call(__HYPERVISOR_get_debugreg, 0), static_cast<std::int64_t>(Hypervisor::kScratch));
}

/// Arguments as a hostile kernel would choose them: often nearly right.
class Malice {
  public:
    explicit Malice(std::uint32_t seed) : random_{seed} {}

    std::uint64_t number() { return random_() % 64; }
    std::uint64_t argument() {
        static constexpr std::uint64_t kInteresting[] = {0,
                                                         1,
                                                         2,
                                                         DOMID_SELF,
                                                         DOMID_IO,
                                                         ~std::uint64_t{0},
                                                         0x8000'0000,
                                                         kNowhere,
                                                         kHole,
                                                         Hypervisor::kScratch,
                                                         Hypervisor::kScratch + 0xff8,
                                                         Hypervisor::kVirtBase};
        switch (random_() % 4) {
        case 0: return random_();
        case 1: return random_() % 32;
        case 2: return Hypervisor::kScratch + random_() % 4096;
        default: return kInteresting[random_() % std::size(kInteresting)];
        }
    }

  private:
    std::mt19937_64 random_;
};

class HostileHypercalls : public testing::TestWithParam<std::uint32_t> {};

TEST_P(HostileHypercalls, LeaveTheHypervisorAliveAndItsAccountsInOrder) {
    Hypervisor hypervisor;
    Malice malice{GetParam()};
    for (int i = 0; i < 3000 && !hypervisor.dom0->shut_down; ++i) {
        std::array<std::uint64_t, 64> words{};
        for (auto& word : words)
            word = malice.argument();
        // The guest may have taken its own scratch page away: then it has no memory to lie with.
        if (!domain::write_guest(hypervisor.vcpu(), base::Vaddr{Hypervisor::kScratch}, words).ok())
            break;
        auto const number = malice.number();
        if (number == __HYPERVISOR_sched_op || number == __HYPERVISOR_iret)
            continue; // these end the vCPU's turn, which is another test's subject
        try {
            hypervisor.call(number, malice.argument(), malice.argument(), malice.argument(), malice.argument(),
                            malice.argument(), malice.argument());
        } catch (Idle const&) {
            break;
        } catch (arch_fake::PoweredOff const&) {
            break;
        } catch (arch_fake::Dom0Crashed const&) {
            break;
        }
        ASSERT_TRUE(arch::lock_witness().empty()) << "hypercall " << number << " left a lock behind";
    }
    auto const& quota = hypervisor.system->quotas[0];
    EXPECT_LE(quota.total(), quota.limit());
    EXPECT_EQ(test::Audit{hypervisor}(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, HostileHypercalls, testing::Range(1U, 9U));

} // namespace
