/// Where code compiled for a process may run: the C libraries that unpack domain 0's kernel. It takes for granted what we
/// otherwise do without: a stack canary at %fs:0x28, vector registers, a red zone under the stack pointer.
#pragma once

#include <cstddef>
#include <span>

#include "base/function_ref.hpp"

namespace x86 {

/// Runs @p work with all that. REQUIRES: start of day, on the boot CPU alone: its FS base and its extended state
/// are lost. Interrupts are off, and what else may come (an NMI) has a stack of its own.
void run_c_code(base::FunctionRef<void()> work);

/// Says that @p memory will be used here and there, without a flush of the TLB in between. It matters to emulators (QEMU
/// makes its table of translations as large as it was well used between two flushes, from 256 pages on): to unpack takes
/// half the time. What @p memory holds is lost.
void expect_scattered_use(std::span<std::byte> memory);

/// Unmaps the code of those libraries, for good; on the boot CPU alone.
void forget_c_code();

} // namespace x86
