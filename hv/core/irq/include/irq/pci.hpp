/// PCI configuration space by mechanism #1 (PCI Local Bus Specification 3.0, §3.2.2.3.2): an address, then data. Both are
/// done under one lock, so that dom0's accesses, which come through here too, and the hypervisor's own do not mix.
#pragma once

#include <cstdint>

#include "base/lock.hpp"

namespace irq {

/// A device's function on segment 0: what requester IDs and Xen's ABI call bus and devfn.
struct PciFunction {
    std::uint8_t bus = 0;
    std::uint8_t devfn = 0;
    constexpr bool operator==(PciFunction const&) const = default;
};

class PciConfig {
  public:
    /// The access of @p bytes (1, 2 or 4) through @p data_port (0xcfc .. 0xcff) that follows @p address in 0xcf8.
    [[nodiscard]] std::uint32_t read_at(std::uint32_t address, std::uint16_t data_port, unsigned bytes);
    void write_at(std::uint32_t address, std::uint16_t data_port, unsigned bytes, std::uint32_t value);

    /// @p offset < 256, aligned to @p bytes. All ones where there is no device.
    [[nodiscard]] std::uint32_t read(PciFunction function, unsigned offset, unsigned bytes) {
        return read_at(address_of(function, offset), data_port(offset), bytes);
    }
    void write(PciFunction function, unsigned offset, unsigned bytes, std::uint32_t value) {
        write_at(address_of(function, offset), data_port(offset), bytes, value);
    }

  private:
    static constexpr std::uint32_t address_of(PciFunction function, unsigned offset) {
        return 1U << 31 | std::uint32_t{function.bus} << 16 | std::uint32_t{function.devfn} << 8 | (offset & 0xfc);
    }
    static constexpr std::uint16_t data_port(unsigned offset) {
        return static_cast<std::uint16_t>(0xcfc + (offset & 3));
    }

    base::SpinLock<base::LockRank::devices> lock_;
};

} // namespace irq
