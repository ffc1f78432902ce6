/// The serial line as domains use it.
#pragma once

#include <cstddef>
#include <span>

#include "domain/domain.hpp"

namespace domain {

/// CONSOLEIO_write: dom0's bytes as they are, another domain's line by line under its name.
void write_console(Domain& domain, std::span<char const> bytes);

/// CONSOLEIO_read: what was typed for dom0.
[[nodiscard]] std::size_t read_console(System& system, std::span<char> into);

/// What @p character does when it is typed for the hypervisor; nothing, if it is no key.
void press_key(System& system, char character);

/// Takes what has arrived on the serial line: dom0 is told (VIRQ_CONSOLE), or the hypervisor's keys are obeyed. Any CPU,
/// from its timer or the line's interrupt.
void poll_console(System& system);

} // namespace domain
