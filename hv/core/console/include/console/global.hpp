/// The machine's one console, and short names for printing to it.
#pragma once

#include "console/console.hpp"

namespace console {

/// Writes to arch::console_write. Usable from the first instruction on.
extern Console the_console;

template <typename... Args> void print(Level level, Format<Args...> form, Args const&... args) {
    the_console.print(level, form, args...);
}
template <typename... Args> void error(Format<Args...> form, Args const&... args) {
    the_console.print(Level::error, form, args...);
}
template <typename... Args> void warning(Format<Args...> form, Args const&... args) {
    the_console.print(Level::warning, form, args...);
}
template <typename... Args> void info(Format<Args...> form, Args const&... args) {
    the_console.print(Level::info, form, args...);
}
template <typename... Args> void debug(Format<Args...> form, Args const&... args) {
    the_console.print(Level::debug, form, args...);
}
template <typename... Args> void guest(Level level, Format<Args...> form, Args const&... args) {
    the_console.print_guest(level, form, args...);
}
template <typename... Args> void always(Format<Args...> form, Args const&... args) {
    the_console.always(form, args...);
}

} // namespace console
