/// What a CPU does when a guest has come out of it: carry out what the guest wants, then find out who goes on.
///
///     guest ──exception, SYSCALL, interrupt──▶ handle_exit ──▶ enter_next ──▶ guest
///                                                                 │  ▲
///                                                                 └──┘ idle: nobody can run
#pragma once

#include "arch/registers.hpp"
#include "domain/system.hpp"

namespace run {

/// The guest on this CPU came out with @p frame. When this returns, @p frame is what the CPU goes on with: perhaps
/// another vCPU's.
[[gnu::hot]] void handle_exit(domain::System& system, arch::Registers& frame);

/// The CPU could not resume @p frame.
void handle_failed_resume(domain::System& system, arch::Registers& frame);

/// Chooses the vCPU to run on this CPU and fills in @p frame; waits, idle, until there is one. The start of every
/// CPU's life as a runner of guests, and the end of every exit.
void enter_next(domain::System& system, arch::Registers& frame);

} // namespace run
