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

TEST_F(Devices, ArePortsWithoutATrapWhileTheKernelMayUsePorts) {
    auto const& cpu = hypervisor.machine.this_cpu();
    EXPECT_FALSE(cpu.ports_allowed);
    for (std::uint32_t const iopl : {1U, 0U, 3U, 0U}) {
        auto const request = hypervisor.put(Hypervisor::kScratch, physdev_set_iopl_t{.iopl = iopl});
        EXPECT_EQ(hypervisor.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, request), 0);
        EXPECT_EQ(cpu.ports_allowed, iopl != 0);
    }
    for (auto const command : {VMASST_CMD_enable, VMASST_CMD_disable}) {
        EXPECT_EQ(hypervisor.call(__HYPERVISOR_vm_assist, command, VMASST_TYPE_architectural_iopl), 0);
        EXPECT_EQ(cpu.ports_allowed, command == VMASST_CMD_enable);
    }
}

TEST_F(Devices, PortsOfTheHypervisorsAreNeverOpen) {
    auto& ports = hypervisor.system->ports;
    ports.facts = {.uart = 0x3f8, .pm1a_control = 0x604, .pm1b_control = 0};
    ports.open_hardware();
    auto const& open = hypervisor.machine.open_ports;
    auto const is_open = [&](std::uint32_t port) { return open.contains(static_cast<std::uint16_t>(port)); };
    EXPECT_TRUE(is_open(0x60) && is_open(0x1f0) && is_open(0xc000));
    for (std::uint32_t port = 0; port < 65'536; ++port)
        for (unsigned const bytes : {1U, 2U, 4U}) {
            bool all_open = port + bytes <= 65'536;
            for (unsigned i = 0; i < bytes; ++i)
                all_open = all_open && is_open(port + i);
            auto const use =
                emulate::port_use(emulate::DomainKind::hardware, ports.facts, static_cast<std::uint16_t>(port), bytes);
            EXPECT_TRUE(!all_open || use == emulate::PortUse::hardware) << std::hex << port << " of " << bytes;
        }
}

} // namespace
