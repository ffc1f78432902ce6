#include "hypercall/cpu_map.hpp"

#include <algorithm>

#include "arch/cpu.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using sched::Affinity;

constexpr std::uint32_t kMostBits = 65'536; // of a map: it is written at one go

constexpr std::uint32_t bytes_of(std::uint32_t bits) { return bits / 8 + (bits % 8 != 0 ? 1 : 0); }

} // namespace

Affinity online_cpus() {
    Affinity online;
    for (std::uint32_t cpu = 0; cpu < arch::online_cpus(); ++cpu)
        online.set(cpu);
    return online;
}

base::Status write_cpus(Call& call, xenctl_bitmap const& to, Affinity const& cpus) {
    if (to.nr_bits > kMostBits)
        return Err{Error::invalid};
    domain::GuestArray<std::uint8_t> const bytes{call.vcpu, address_of(to.bitmap)};
    for (std::uint32_t byte = 0; byte < bytes_of(to.nr_bits); ++byte) {
        std::uint8_t value = 0;
        auto const end = std::min<std::uint32_t>({to.nr_bits, 8 * byte + 8, Affinity::size()});
        for (std::uint32_t cpu = 8 * byte; cpu < end; ++cpu)
            value = static_cast<std::uint8_t>(value | (cpus.test(cpu) ? 1U : 0U) << cpu % 8);
        TRY(bytes.write(byte, value));
    }
    return {};
}

base::Result<Affinity> read_cpus(Call& call, xenctl_bitmap const& from) {
    domain::GuestArray<std::uint8_t> const bytes{call.vcpu, address_of(from.bitmap)};
    Affinity cpus;
    auto const bits = std::min<std::uint32_t>(from.nr_bits, Affinity::size());
    for (std::uint32_t byte = 0; byte < bytes_of(bits); ++byte) {
        auto const value = TRY(bytes.read(byte));
        for (std::uint32_t cpu = 8 * byte; cpu < std::min(bits, 8 * byte + 8); ++cpu)
            if ((value >> cpu % 8 & 1) != 0)
                cpus.set(cpu);
    }
    return cpus;
}

} // namespace hypercall
