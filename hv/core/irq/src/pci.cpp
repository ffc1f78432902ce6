#include "irq/pci.hpp"

#include "arch/cpu.hpp"

namespace irq {

namespace {
constexpr std::uint16_t kAddressPort = 0xcf8;
}

std::uint32_t PciConfig::read_at(std::uint32_t address, std::uint16_t data_port, unsigned bytes) {
    base::LockGuard const guard{lock_};
    arch::port_out(kAddressPort, 4, address);
    return arch::port_in(data_port, bytes);
}

void PciConfig::write_at(std::uint32_t address, std::uint16_t data_port, unsigned bytes, std::uint32_t value) {
    base::LockGuard const guard{lock_};
    arch::port_out(kAddressPort, 4, address);
    arch::port_out(data_port, bytes, value);
}

} // namespace irq
