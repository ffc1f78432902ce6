/// Where we are, in words.
#pragma once

#include <cstdint>
#include <string_view>

#include "arch/registers.hpp"

/// The function that @p address lies in, from the table at the image's end (make_symbols.py); "?" if it is not ours.
std::string_view symbol_at(std::uint64_t address);

/// Prints who called whom, from @p frame on if it was the hypervisor's code, else from the caller on. By frame
/// pointers; stops at the first that makes no sense.
void print_backtrace(arch::Registers const* frame);
