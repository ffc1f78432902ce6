// A frame that the guest still maps, and what it may not do with it meanwhile.

#include <gtest/gtest.h>

#include <cstdint>

#include "abi/xen.hpp"
#include "hypervisor.hpp"

namespace {

constexpr std::int64_t kInvalid = -22;
/// A page of the initial mapping that nothing uses: it lies before the kernel's image.
constexpr std::uint64_t kPfn = 0x20, kAddress = test::Hypervisor::kVirtBase + kPfn * 4096;

class MappedFrame : public testing::Test {
  protected:
    std::int64_t exchange() {
        constexpr std::uint64_t kRequest = test::Hypervisor::kScratch, kIn = kRequest + 256, kOut = kIn + 8;
        xen_memory_exchange_t request{};
        request.in.domid = request.out.domid = DOMID_SELF;
        request.in.nr_extents = request.out.nr_extents = 1;
        request.in.extent_start.p = reinterpret_cast<xen_pfn_t*>(hypervisor.put(kIn, frame));
        request.out.extent_start.p = reinterpret_cast<xen_pfn_t*>(hypervisor.put(kOut, kPfn));
        return hypervisor.call(__HYPERVISOR_memory_op, XENMEM_exchange, hypervisor.put(kRequest, request));
    }
    [[nodiscard]] std::uint64_t page_of_frame() const { return arch::machine_to_phys()[frame]; }

    test::Hypervisor hypervisor{};
    std::uint64_t frame = [this] {
        std::uint64_t mfn = domain::kFirstMebibyteEnd.raw();
        while (arch::machine_to_phys()[mfn] != kPfn)
            ++mfn;
        return mfn;
    }();
};

TEST_F(MappedFrame, IsNotExchangedForAnotherUntilItsMappingIsGone) {
    EXPECT_EQ(exchange(), kInvalid);
    EXPECT_EQ(page_of_frame(), kPfn);
    hypervisor.put(kAddress, std::uint64_t{0x1234}); // it is there still
    ASSERT_EQ(hypervisor.call(__HYPERVISOR_update_va_mapping, kAddress, 0, UVMF_INVLPG), 0);
    EXPECT_EQ(exchange(), 0);
    EXPECT_NE(page_of_frame(), kPfn);
}

} // namespace
