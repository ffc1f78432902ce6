// Where a device's messages are written, whatever its configuration space says.
#include "irq/msi.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "arch_fake/machine.hpp"

namespace {

using base::Error;
using irq::MessageSlot;
using irq::PciFunction;

constexpr PciFunction kDevice{.bus = 0, .devfn = 0x18};

/// One device's configuration space; there is no other.
struct Config {
    std::array<std::uint8_t, 256> bytes{};

    Config() {
        put(0x00, 0x1af4'1041, 4);
        put(0x06, 0x10, 2);
        put(0x34, 0x40, 1);
    }
    std::uint32_t read(PciFunction function, unsigned offset, unsigned width) {
        EXPECT_EQ(offset % width, 0U);
        EXPECT_LE(offset + width, bytes.size());
        std::uint32_t value = ~0U >> (32 - 8 * width);
        if (function == kDevice)
            value = 0, std::memcpy(&value, &bytes.at(offset), width);
        return value;
    }
    void write(PciFunction, unsigned offset, unsigned width, std::uint32_t value) { put(offset, value, width); }
    void put(unsigned offset, std::uint32_t value, unsigned width) { std::memcpy(&bytes.at(offset), &value, width); }
    std::uint32_t get(unsigned offset, unsigned width) { return read(kDevice, offset, width); }
};

class Msi : public testing::Test {
  protected:
    void put_msix(std::uint32_t entries, std::uint32_t table) {
        config.put(0x40, 0x11, 2);
        config.put(0x42, entries - 1, 2);
        config.put(0x44, table, 4);
    }
    template <typename R> static void expect_error(R const& result, Error error) {
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error(), error);
    }

    arch_fake::Machine machine;
    Config config;
    arch::Message const message{.address = 0x1'fee0'1000, .data = 0x51};
};

TEST_F(Msi, OfANarrowDeviceGoesBesideItsAddress) {
    config.put(0x40, 0x05, 2);
    auto const slot = irq::find_msi(config, kDevice).value();
    EXPECT_TRUE(irq::write_message(config, slot, message));
    EXPECT_EQ(config.get(0x44, 4), 0xfee0'1000U);
    EXPECT_EQ(config.get(0x48, 2), 0x51U);
}

TEST_F(Msi, OfAWideAndMaskableDeviceGoesBehindItsUpperAddressAndIsNotMasked) {
    config.put(0x40, 0x05, 2);
    config.put(0x42, 0x180, 2);
    config.put(0x50, 1, 4);
    auto const slot = irq::find_msi(config, kDevice).value();
    EXPECT_TRUE(irq::write_message(config, slot, message));
    EXPECT_EQ(config.get(0x44, 4), 0xfee0'1000U);
    EXPECT_EQ(config.get(0x48, 4), 1U);
    EXPECT_EQ(config.get(0x4c, 2), 0x51U);
    EXPECT_EQ(config.get(0x50, 4), 0U);
}

TEST_F(Msi, XEntriesLieInTheTableOfTheirBar) {
    put_msix(3, 0x2000 | 4);
    config.put(0x20, 0xfe00'000c, 4); // BAR 4: memory, 64 bits, prefetchable
    config.put(0x24, 0x2, 4);
    auto const slot = irq::find_msix(config, kDevice, 2).value();
    EXPECT_EQ(slot.entry.raw(), 0x2'fe00'2020U);
    EXPECT_TRUE(irq::write_message(config, slot, message));
    EXPECT_EQ(machine.device_words[slot.entry.raw()], 0xfee0'1000U);
    EXPECT_EQ(machine.device_words[slot.entry.raw() + 4], 1U);
    EXPECT_EQ(machine.device_words[slot.entry.raw() + 8], 0x51U);
    expect_error(irq::find_msix(config, kDevice, 3), Error::invalid);
}

TEST_F(Msi, XTablesInPortsOrPastTheLastBarAreRefused) {
    put_msix(1, 0);
    config.put(0x10, 0xc001, 4);
    expect_error(irq::find_msix(config, kDevice, 0), Error::invalid);
    put_msix(1, 5);
    config.put(0x24, 0xfe00'0004, 4); // 64 bits, but there is no BAR 6
    expect_error(irq::find_msix(config, kDevice, 0), Error::invalid);
    put_msix(1, 7);
    expect_error(irq::find_msix(config, kDevice, 0), Error::invalid);
}

TEST_F(Msi, OfADeviceThatIsNotThereOrCannotDoItIsNotFound) {
    expect_error(irq::find_msi(config, {.bus = 1, .devfn = 0}), Error::not_found);
    expect_error(irq::find_msi(config, kDevice), Error::not_found);
    expect_error(irq::find_msix(config, kDevice, 0), Error::not_found);
    config.put(0x40, 0x05, 2);
    config.put(0x06, 0, 2);
    expect_error(irq::find_msi(config, kDevice), Error::not_found);
}

TEST_F(Msi, IsFoundInNoTimeWhateverConfigurationSpaceHolds) {
    std::mt19937 random{1};
    for (int round = 0; round < 2000; ++round) {
        for (auto& byte : config.bytes)
            byte = static_cast<std::uint8_t>(random());
        config.put(0x06, 0x10, 2);
        static_cast<void>(irq::find_msi(config, kDevice));
        static_cast<void>(irq::find_msix(config, kDevice, random() % 4));
    }
    config.put(0x34, 0x40, 1);
    config.put(0x40, 0x4009, 2); // a list that bites its tail
    expect_error(irq::find_msi(config, kDevice), Error::not_found);
}

} // namespace
