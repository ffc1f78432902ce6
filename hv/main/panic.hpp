/// The end of everything: says all that is known, and stops every CPU.
#pragma once

#include <string_view>

#include "arch/registers.hpp"

/// Prints @p what, the registers of @p frame (what was interrupted) if there is one, where we are, and what the hook has
/// to say; then ends as the operator wants it (x86::finish).
[[noreturn]] void panic(std::string_view what, arch::Registers const* frame = nullptr);

/// @p say prints with console::always what the core knows: the current domain, its last hypercalls. It is called
/// once, with no lock to be trusted, and may itself fault: then the panic goes on without it.
void set_panic_hook(void (*say)());
