// domctl: what the tools ask about a domain.

#include <gtest/gtest.h>

#include <cstdint>

#include "abi/toolstack.hpp"
#include "hypervisor.hpp"

namespace {

constexpr std::int64_t kNoSuchDomain = -3, kInvalid = -22;

class Toolstack : public testing::Test {
  protected:
    std::int64_t ask_about_vcpu(std::uint32_t vcpu, domid_t domain = 0) {
        xen_domctl_t op{};
        op.cmd = XEN_DOMCTL_getvcpuinfo;
        op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op.domain = domain;
        op.u.getvcpuinfo.vcpu = vcpu;
        return hypervisor.call(__HYPERVISOR_domctl, hypervisor.put(test::Hypervisor::kScratch, op));
    }

    test::Hypervisor hypervisor{};
};

TEST_F(Toolstack, TellsOfEachVcpuAndRefusesOneThatADomainCannotHave) {
    EXPECT_EQ(ask_about_vcpu(0), 0);
    EXPECT_EQ(ask_about_vcpu(1), 0); // it is there, though down
    EXPECT_EQ(ask_about_vcpu(2), kInvalid);
    EXPECT_EQ(ask_about_vcpu(0, 7), kNoSuchDomain);
}

} // namespace
