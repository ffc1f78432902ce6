/// Paying what changes of page tables owe: flushes of TLBs, here and on other CPUs.
#pragma once

#include "domain/domain.hpp"
#include "shadow_pt/flush_debt.hpp"

namespace domain {

/// Performs what @p debt of @p domain says. When it returns no vCPU named there can use an old translation.
void pay(Domain& domain, shadow_pt::FlushDebt& debt);

/// The CPUs whose current vCPU is one of @p vcpus of @p domain. Others flush when they next load one of them.
[[nodiscard]] shadow_pt::CpuSet cpus_running(Domain& domain, shadow_pt::VcpuSet const& vcpus);

} // namespace domain
