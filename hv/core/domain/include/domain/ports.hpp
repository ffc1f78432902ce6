/// I/O ports on a guest's behalf (docs/abi.md §4.6; emulate/port_policy.hpp says whose each port is).
#pragma once

#include <cstdint>

#include "base/lock.hpp"
#include "emulate/port_policy.hpp"
#include "irq/pci.hpp"

namespace domain {

struct Domain;

class Ports {
  public:
    explicit Ports(irq::PciConfig& pci) : pci_{pci} {}

    emulate::PortFacts facts; ///< set at start of day

    /// Opens the ports that are the devices' own, for dom0 to use without a trap. Start of day, once `facts` is set.
    void open_hardware() const;

    [[nodiscard]] std::uint32_t read(Domain& domain, emulate::DomainKind kind, std::uint16_t port, unsigned bytes);
    void write(Domain& domain, emulate::DomainKind kind, std::uint16_t port, unsigned bytes, std::uint32_t value);

  private:
    /// PCI configuration and the real-time clock each take two accesses: the index is latched, and both are done
    /// under a lock with the data.
    struct Latches {
        emulate::PciAddress pci;
        std::uint8_t rtc_index = 0;
    };
    irq::PciConfig& pci_;
    base::Guarded<Latches, base::LockRank::devices> latches_;
};

} // namespace domain
