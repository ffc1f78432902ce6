/// What a guest asked for and what it was refused: the first things to look at when one hangs (docs/debugging.md).
///
/// Every hypercall leaves a record in its CPU's ring, at a few instructions' cost. Debug builds also print each
/// refusal: a lost page-table write shows up a thousand instructions later.
#pragma once

#include <array>
#include <cstdint>

#include "base/error.hpp"
#include "base/frame.hpp"
#include "domain/domain.hpp"
#include "domain/system.hpp"
#include "domain/vcpu.hpp"
#include "shadow_pt/host.hpp"

namespace domain {

inline void trace_hypercall(Vcpu const& vcpu, std::uint64_t number, std::array<std::uint64_t, 6> const& args) {
    auto& cpu = vcpu.domain.system.this_cpu();
    cpu.calls.add({.tsc = cpu.slice_start,
                   .domain = vcpu.domain.id.raw(),
                   .vcpu = static_cast<std::uint16_t>(vcpu.id.raw()),
                   .number = static_cast<std::uint32_t>(number),
                   .args = {args[0], args[1], args[2]}});
}
void trace_refusal(Vcpu const& vcpu, std::uint64_t number, std::array<std::uint64_t, 6> const& args, base::Error why);
void trace_paging_refusal(Domain const& domain, shadow_pt::Refusal why, base::Gfn gfn);

/// Prints the last hypercalls of every CPU.
void dump_trace(System& system);

/// Prints the state of @p vcpu; @p live are its registers if it runs on this CPU, or null.
void dump_vcpu(Vcpu& vcpu, arch::Registers const* live);
void dump_domain(Domain& domain);
void dump_all_domains(System& system);

} // namespace domain
