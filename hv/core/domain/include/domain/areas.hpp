/// The areas in a guest's memory that the hypervisor keeps up to date: vcpu_info, runstate, time (docs/abi.md §5).
#pragma once

#include <cstdint>

#include "abi/xen.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace domain {

/// Moves the vcpu_info of @p target into the guest's page @p gfn at @p offset. Once in a vCPU's life, for itself or
/// while it is down. After it the guest is made to look at all its ports, since bits may have moved under it.
[[nodiscard]] base::Status register_vcpu_info(Vcpu& caller, Vcpu& target, base::Gfn gfn, std::uint32_t offset);

/// Where the runstate of @p target is written at each change from now on; written at once if @p target is the caller.
[[nodiscard]] base::Status register_runstate_area(Vcpu& caller, Vcpu& target, base::Vaddr at);
[[nodiscard]] base::Status register_time_area(Vcpu& target, base::Vaddr at);

/// A consistent copy of the runstate, brought up to now.
[[nodiscard]] vcpu_runstate_info_t runstate_of(Vcpu& vcpu);

/// Writes the runstate area of @p vcpu, which is about to run on this CPU with its root installed. An area that the
/// guest has unmapped is skipped.
void write_runstate_area(Vcpu& vcpu);

/// Writes the time that @p vcpu sees: into its vcpu_info, and its time area if it has one and runs on this CPU.
void write_time(Vcpu& vcpu);

} // namespace domain
