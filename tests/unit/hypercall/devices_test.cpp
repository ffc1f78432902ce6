// What domain 0 may map that is no memory of its own.
#include <gtest/gtest.h>

#include "unit/hypercall/hypervisor.hpp"

namespace {

using test::Hypervisor;

class Devices : public testing::Test {
  protected:
    std::int64_t map(std::uint64_t frame) {
        constexpr std::uint64_t kPresentWritableUserYoung = 0x67;
        return hypervisor.call(__HYPERVISOR_update_va_mapping, Hypervisor::kScratch,
                               frame << base::kPageShift | kPresentWritableUserYoung, 0);
    }

    Hypervisor hypervisor;
};

TEST_F(Devices, OfTheFirstMebibyteAreDomainZerosWhateverTheMemoryMapSays) {
    for (std::uint64_t frame = 0; frame < domain::kFirstMebibyteEnd.raw(); ++frame)
        EXPECT_EQ(map(frame), 0) << std::hex << frame;
}

TEST_F(Devices, AreNeverTheHypervisorsMemory) {
    auto const& frames = hypervisor.system->frames;
    unsigned refused = 0;
    for (std::uint64_t frame = domain::kFirstMebibyteEnd.raw(); frame < hypervisor.machine.frames(); ++frame)
        if (frames.info(base::Mfn{frame}).owner_id() == mm::kHypervisor) {
            EXPECT_LT(map(frame), 0) << std::hex << frame;
            ++refused;
        }
    EXPECT_GT(refused, 0U);
}

TEST_F(Devices, BeyondTheProcessorsAddressesAreRefused) { EXPECT_LT(map(std::uint64_t{1} << 30), 0); }

} // namespace
