#include "build/hypercall_page.hpp"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "abi/xen.hpp"

namespace {

using testing::ElementsAre;

class HypercallPage : public testing::Test {
  protected:
    HypercallPage() { build::fill_hypercall_page(page_); }
    std::vector<unsigned> stub(unsigned number, std::size_t size) {
        std::vector<unsigned> bytes;
        for (std::size_t i = 0; i < size; ++i)
            bytes.push_back(std::to_integer<unsigned>(page_[number * 32 + i]));
        return bytes;
    }

  private:
    std::array<std::byte, base::kPageSize> page_;
};

TEST_F(HypercallPage, EveryStubSavesWhatSyscallDestroysAndReturns) {
    for (unsigned const number : {0U, 13U, 24U, 55U, 127U})
        EXPECT_THAT(stub(number, 15), ElementsAre(0x51, 0x41, 0x53,               // push %rcx; push %r11
                                                  0xb8, number, 0, 0, 0,          // mov $number, %eax
                                                  0x0f, 0x05,                     // syscall
                                                  0x41, 0x5b, 0x59, 0xc3, 0xcc)); // pop %r11; pop %rcx; ret; int3
}

TEST_F(HypercallPage, IretPushesRaxTooAndDoesNotReturn) {
    EXPECT_THAT(stub(__HYPERVISOR_iret, 12), ElementsAre(0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05, 0xcc));
}

TEST_F(HypercallPage, NothingOfWhatWasThereIsLeft) {
    for (unsigned number = 0; number < 128; ++number)
        EXPECT_EQ(stub(number, 32).back(), 0xccU);
}

} // namespace
