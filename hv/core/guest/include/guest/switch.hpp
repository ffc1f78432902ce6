/// Moving a vCPU's state between the CPU and its `saved` place.
///
/// A CPU keeps the state of the last vCPU that ran on it until another one is to run (`load`) or until that vCPU is
/// wanted elsewhere: only that CPU can save it.
#pragma once

#include "arch/registers.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Takes the state of @p vcpu, whose frame is @p registers, off this CPU.
void save(domain::Vcpu& vcpu, arch::Registers const& registers);

/// Puts the state of @p vcpu on this CPU and its frame into @p registers. A segment register that cannot be loaded
/// becomes null and the guest is told by the failsafe callback. An error means that the domain cannot go on.
[[nodiscard]] base::Status load(domain::Vcpu& vcpu, arch::Registers& registers);

/// Nobody runs here: takes the last guest's roots off this CPU.
void unload();

} // namespace guest
