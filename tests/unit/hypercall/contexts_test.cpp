// VCPUOP_initialise: contexts that would do but for one thing.

#include <gtest/gtest.h>

#include <cstdint>

#include "abi/xen.hpp"
#include "hypervisor.hpp"

namespace {

constexpr std::int64_t kInvalid = -22;
constexpr std::uint64_t kNotCanonical = 0x8000'0000'0000;

class Contexts : public testing::Test {
  protected:
    /// A second vCPU on the first one's root; @p change spoils its context.
    template <typename Change> std::int64_t initialise(Change&& change) {
        vcpu_guest_context_t context{};
        context.flags = VGCF_in_kernel;
        context.ctrlreg[3] = root << 12;
        change(context);
        return hypervisor.call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, hypervisor.put(kPlace, context));
    }

    test::Hypervisor hypervisor{};
    std::uint64_t root = hypervisor.vcpu().kernel_root.gfn.raw();
    /// A context takes more than one page: the hypercall page is not needed here.
    static constexpr std::uint64_t kPlace = test::Hypervisor::kScratch - 4096;
};

TEST_F(Contexts, AreRefusedForAnAddressThatIsNoneOfTheMachines) {
    EXPECT_EQ(initialise([](auto& context) { context.user_regs.rip = kNotCanonical; }), kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.user_regs.rsp = kNotCanonical; }), kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.kernel_sp = kNotCanonical; }), kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.fs_base = kNotCanonical; }), kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.trap_ctxt[255].address = kNotCanonical; }), kInvalid);
    EXPECT_EQ(initialise([](auto&) {}), 0);
}

TEST_F(Contexts, AreRefusedForAnLdtThatSetLdtWouldRefuse) {
    EXPECT_EQ(initialise([](auto& context) { context.ldt_ents = 8193; }), kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.ldt_ents = 1, context.ldt_base = 8; }), kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.ldt_ents = 1, context.ldt_base = HYPERVISOR_VIRT_START; }),
              kInvalid);
    EXPECT_EQ(initialise([](auto& context) { context.ldt_ents = 1, context.ldt_base = 0x1000; }), 0);
}

} // namespace
