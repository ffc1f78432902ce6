/// The hypervisor at work: the System that start of day leads to, and who calls it.
#pragma once

#include "domain/system.hpp"
#include "start_of_day.hpp"

/// The one that there is; from make_system() on.
domain::System& the_system();

/// Builds the System in memory of @p machine, and gives it what memory is left.
void make_system(Machine& machine);

/// Builds domain 0: its kernel is the unpacked first module, its initial RAM disk the second, if there is one.
/// What makes that impossible is a panic with one clear sentence.
void make_dom0(Machine& machine);
