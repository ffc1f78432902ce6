/// The fixture of most hypercall tests: domain 0's kernel at work. Whatever a test does, the books are right at its end.
#pragma once

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

#include "abi/xen.hpp"
#include "unit/hypercall/audit.hpp"
#include "unit/hypercall/hypervisor.hpp"

namespace test {

inline constexpr std::int64_t kEperm = -1, kEnoent = -2, kEsrch = -3, kEnxio = -6, kEnomem = -12, kEacces = -13,
                              kEfault = -14, kEbusy = -16, kEexist = -17, kEnodev = -19, kEinval = -22, kEnospc = -28,
                              kEnosys = -38, kEnodata = -61, kEopnotsupp = -95;
inline constexpr std::uint64_t kNowhere = 0x7fff'0000'0000;   ///< mapped by nobody
inline constexpr std::uint64_t kHole = 0xffff'8100'0000'0000; ///< the hypervisor's

class Kernel : public testing::Test {
  protected:
    static constexpr std::uint64_t kScratch = Hypervisor::kScratch;
    static constexpr std::uint64_t kWritable = 0x67; ///< P, W, U, A, D
    static constexpr std::uint64_t kReadOnly = 0x65;
    /// Pages of the first mapping that the kernel has no use for.
    static constexpr std::uint64_t kPage = Hypervisor::kVirtBase + 0x20000;
    static constexpr std::uint64_t kOtherPage = Hypervisor::kVirtBase + 0x21000;

    void TearDown() override { EXPECT_EQ(Audit{hypervisor}(), ""); }

    template <typename... Args> std::int64_t call(std::uint64_t number, Args... args) {
        return hypervisor.call(number, args...);
    }
    template <typename T> std::uint64_t put(T const& value, std::uint64_t offset = 0) {
        return hypervisor.put(kScratch + offset, value);
    }
    template <typename T> T get(std::uint64_t offset = 0) { return hypervisor.get<T>(kScratch + offset); }

    /// The frame that the guest calls @p pfn.
    std::uint64_t frame(std::uint64_t pfn) {
        auto const m2p = arch::machine_to_phys();
        for (std::uint64_t mfn = 0; mfn < m2p.size(); ++mfn)
            if (m2p[mfn] == pfn && hypervisor.system->frames.info(base::Mfn{mfn}).owner_id() == hypervisor.dom0->id)
                return mfn;
        throw std::runtime_error{"no such frame"};
    }
    std::uint64_t frame_at(std::uint64_t address) { return frame((address - Hypervisor::kVirtBase) >> 12); }
    /// One of those that nothing maps.
    std::uint64_t blank(std::uint64_t which) { return frame(pages_at_first - 1 - which); }
    mm::FrameInfo& info(std::uint64_t frame) { return hypervisor.system->frames.info(base::Mfn{frame}); }
    std::uint32_t pages() { return hypervisor.system->quotas[0].total(); }

    /// From now on every call is continued as often as it can be.
    void time_flies() { hypervisor.machine.tsc_step = 2'000'000; }

    std::int64_t update(std::uint64_t table, std::uint64_t index, std::uint64_t entry,
                        std::uint64_t whose = DOMID_SELF) {
        auto const at = put(mmu_update_t{.ptr = table << 12 | index * 8, .val = entry}, 0xf00);
        return call(__HYPERVISOR_mmu_update, at, 1, 0, whose);
    }
    std::int64_t extended(unsigned command, std::uint64_t frame) {
        ::mmuext_op operation{};
        operation.cmd = command;
        operation.arg1.mfn = frame;
        return call(__HYPERVISOR_mmuext_op, put(operation, 0xf00), 1, 0, DOMID_SELF);
    }
    std::int64_t remap(std::uint64_t address, std::uint64_t entry) {
        return call(__HYPERVISOR_update_va_mapping, address, entry, UVMF_INVLPG);
    }

    Hypervisor hypervisor;
    std::uint64_t const pages_at_first = pages();
};

} // namespace test
