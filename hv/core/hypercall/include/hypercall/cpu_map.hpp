/// Sets of CPUs as the tools pass them: a bitmap of as many bits as the caller has room for (xenctl_bitmap).
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"
#include "sched/entity.hpp"

namespace hypercall {

/// The CPUs that are online.
sched::Affinity online_cpus();

/// Bits beyond those that there are CPUs for are written as 0. Error::invalid for a map beyond all measure.
[[nodiscard]] base::Status write_cpus(Call& call, xenctl_bitmap const& to, sched::Affinity const& cpus);
/// Bits that the caller does not pass are 0; those of CPUs that cannot be are ignored.
[[nodiscard]] base::Result<sched::Affinity> read_cpus(Call& call, xenctl_bitmap const& from);

} // namespace hypercall
