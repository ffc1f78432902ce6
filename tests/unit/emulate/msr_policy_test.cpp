#include "emulate/msr_policy.hpp"

#include <map>

#include <gtest/gtest.h>

namespace emulate {
namespace {

struct FakeBank {
    DomainKind of = DomainKind::translated;
    bool boot = false;
    std::map<std::uint32_t, std::uint64_t> host{};
    std::uint64_t aux = 0, fs = 0x1000, gs = 0x2000, inactive = 0x3000;

    DomainKind kind() { return of; }
    bool is_boot_vcpu() { return boot; }
    std::optional<std::uint64_t> host_msr(std::uint32_t msr) {
        auto const found = host.find(msr);
        return found == host.end() ? std::nullopt : std::optional{found->second};
    }
    std::uint64_t tsc() { return 0x1234; }
    std::uint64_t tsc_aux() { return aux; }
    void set_tsc_aux(std::uint64_t value) { aux = value; }
    std::uint64_t fs_base() { return fs; }
    std::uint64_t gs_base() { return gs; }
    std::uint64_t inactive_gs_base() { return inactive; }
    void set_fs_base(std::uint64_t value) { fs = value; }
    void set_gs_base(std::uint64_t value) { gs = value; }
    void set_inactive_gs_base(std::uint64_t value) { inactive = value; }
};
static_assert(MsrBank<FakeBank>);

TEST(Msrs, ThatTheTableDoesNotNameAreRefused) {
    FakeBank bank;
    for (std::uint32_t const msr : {0x48U, 0x49U, 0x10aU, 0xfeU, 0x1b0U, 0x1d9U, 0x606U, 0x6e0U, 0x800U, 0xda0U,
                                    0xc0000082U + 3, 0xc0010140U, 0xffffffffU, 0U}) {
        bank.host[msr] = 1; // the host's having it changes nothing
        EXPECT_EQ(guest_read_msr(bank, msr), std::nullopt) << msr;
        EXPECT_FALSE(guest_write_msr(bank, msr, 0)) << msr;
    }
}

TEST(Msrs, BasesAreTheLiveOnes) {
    FakeBank bank;
    EXPECT_EQ(guest_read_msr(bank, 0xc0000100), 0x1000U);
    EXPECT_EQ(guest_read_msr(bank, 0xc0000101), 0x2000U);
    EXPECT_EQ(guest_read_msr(bank, 0xc0000102), 0x3000U);
    EXPECT_TRUE(guest_write_msr(bank, 0xc0000100, 0x7fff'0000'1000));
    EXPECT_TRUE(guest_write_msr(bank, 0xc0000101, 0xffff'ffff'8000'0000));
    EXPECT_TRUE(guest_write_msr(bank, 0xc0000102, 0x5000));
    EXPECT_EQ(bank.fs, 0x7fff'0000'1000U);
    EXPECT_EQ(bank.gs, 0xffff'ffff'8000'0000U);
    EXPECT_EQ(bank.inactive, 0x5000U);
}

TEST(Msrs, BasesAreCanonical) {
    FakeBank bank;
    for (std::uint32_t const msr : {0xc0000100U, 0xc0000101U, 0xc0000102U})
        EXPECT_FALSE(guest_write_msr(bank, msr, 0x8000'0000'0000));
    EXPECT_EQ(bank.fs, 0x1000U);
    EXPECT_EQ(bank.gs, 0x2000U);
    EXPECT_EQ(bank.inactive, 0x3000U);
}

TEST(Msrs, EferHidesVirtualisationAndTakesOnlyWhatItReads) {
    FakeBank bank;
    bank.host[0xc0000080] = 0x1d01; // SVME too
    EXPECT_EQ(guest_read_msr(bank, 0xc0000080), 0xd01U);
    EXPECT_TRUE(guest_write_msr(bank, 0xc0000080, 0xd01));
    EXPECT_FALSE(guest_write_msr(bank, 0xc0000080, 0x1d01));
    EXPECT_FALSE(guest_write_msr(bank, 0xc0000080, 0xd00));
}

TEST(Msrs, PatIsTheHosts) {
    FakeBank bank;
    bank.host[0x277] = 0x0501'0007'0406;
    EXPECT_EQ(guest_read_msr(bank, 0x277), 0x0501'0007'0406U);
    EXPECT_FALSE(guest_write_msr(bank, 0x277, 0));
}

TEST(Msrs, ApicBaseTellsTheBootProcessor) {
    FakeBank bank;
    EXPECT_EQ(guest_read_msr(bank, 0x1b), 0xfee0'0800U);
    bank.boot = true;
    EXPECT_EQ(guest_read_msr(bank, 0x1b), 0xfee0'0900U);
    EXPECT_TRUE(guest_write_msr(bank, 0x1b, 0xfee0'0900));
    EXPECT_FALSE(guest_write_msr(bank, 0x1b, 0xfee0'0d00)); // x2APIC
}

TEST(Msrs, TheTscCannotBeSet) {
    FakeBank bank;
    EXPECT_EQ(guest_read_msr(bank, 0x10), 0x1234U);
    EXPECT_TRUE(guest_write_msr(bank, 0x10, 0));
    EXPECT_EQ(guest_read_msr(bank, 0x10), 0x1234U);
}

TEST(Msrs, TscAuxIsTheVcpus) {
    FakeBank bank;
    EXPECT_TRUE(guest_write_msr(bank, 0xc0000103, 0x1003));
    EXPECT_EQ(guest_read_msr(bank, 0xc0000103), 0x1003U);
    EXPECT_FALSE(guest_write_msr(bank, 0xc0000103, std::uint64_t{1} << 32));
    EXPECT_EQ(bank.aux, 0x1003U);
}

TEST(Msrs, MicrocodeRevisionIsReadAsLinuxReadsIt) {
    FakeBank bank;
    bank.host[0x8b] = 0x2f'0000'0000;
    EXPECT_TRUE(guest_write_msr(bank, 0x8b, 0));
    EXPECT_EQ(guest_read_msr(bank, 0x8b), 0x2f'0000'0000U);
    EXPECT_FALSE(guest_write_msr(bank, 0x8b, 1));
}

TEST(Msrs, MiscEnableHidesWhatCpuidHides) {
    FakeBank bank;
    EXPECT_EQ(guest_read_msr(bank, 0x1a0), std::nullopt); // no such MSR on AMD's CPUs
    EXPECT_FALSE(guest_write_msr(bank, 0x1a0, 0));
    bank.host[0x1a0] = 1 | 1U << 7 | 1U << 18 | 1U << 22;
    EXPECT_EQ(guest_read_msr(bank, 0x1a0), 1U | 3U << 11);
    EXPECT_TRUE(guest_write_msr(bank, 0x1a0, 1U | 3U << 11));
    EXPECT_FALSE(guest_write_msr(bank, 0x1a0, 1));
}

TEST(Msrs, SystemCallEntriesReadZeroAndRefuseWrites) {
    FakeBank bank;
    for (std::uint32_t const msr : {0x174U, 0x175U, 0x176U, 0xc0000081U, 0xc0000082U, 0xc0000083U, 0xc0000084U}) {
        bank.host[msr] = 0xffff'8040'0000'0000; // the hypervisor's own entry must not show
        EXPECT_EQ(guest_read_msr(bank, msr), 0U);
        EXPECT_FALSE(guest_write_msr(bank, msr, 0x1000));
    }
}

TEST(Msrs, OnlyDom0SeesHowThisMachineIsWired) {
    for (std::uint32_t const msr : {0xc0010010U, 0xc001001aU, 0xc001001dU}) {
        FakeBank bank;
        bank.host[msr] = 0x8000'0000;
        EXPECT_EQ(guest_read_msr(bank, msr), 0U);
        bank.of = DomainKind::hardware;
        EXPECT_EQ(guest_read_msr(bank, msr), 0x8000'0000U);
        bank.host.clear();
        EXPECT_EQ(guest_read_msr(bank, msr), std::nullopt); // an Intel CPU
    }
}

TEST(Msrs, TableIsFoundRowByRow) {
    for (MsrRow const& row : msr_table()) {
        EXPECT_STRNE(row.reason, "");
        EXPECT_EQ(find_msr(row.first), &row);
        EXPECT_EQ(find_msr(row.last), &row);
        if (auto const* const after = find_msr(row.last + 1)) {
            EXPECT_EQ(after, &row + 1);
        }
    }
}

} // namespace
} // namespace emulate
