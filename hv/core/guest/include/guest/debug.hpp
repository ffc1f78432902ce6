/// A guest's debug registers: DR0 to DR3, DR6 and DR7.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Sets register @p number (0..3, 6, 7) of @p vcpu, which runs on this CPU. Error::not_permitted for a breakpoint in the
/// hypervisor's range, Error::invalid for what the CPU would refuse.
[[nodiscard]] base::Status write_debug_register(domain::Vcpu& vcpu, unsigned number, std::uint64_t value);
/// The same for one that is off its CPU. What is refused is left as it is.
void set_saved_debug_register(domain::Vcpu& vcpu, unsigned number, std::uint64_t value);
[[nodiscard]] std::uint64_t read_debug_register(domain::Vcpu const& vcpu, unsigned number);

} // namespace guest
