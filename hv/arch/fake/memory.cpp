/// Memory: an array of frames.
#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"
#include "base/assert.hpp"

using arch_fake::Machine;

namespace arch {

std::byte* direct_map(base::Mfn frame) {
    Machine& machine = Machine::current();
    ASSERT(frame.raw() < machine.frames());
    return machine.memory() + frame.raw() * base::kPageSize;
}

std::span<std::uint64_t> machine_to_phys() { return Machine::current().machine_to_phys(); }

} // namespace arch
