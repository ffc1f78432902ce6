/// How a program ends that has found itself wrong.
#include "base/assert.hpp"
#include "console/format.hpp"
#include "console/text.hpp"
#include "panic.hpp"

extern "C" [[noreturn]] void abort() { panic("abort()"); }

namespace base {

void assertion_failed(char const* what, char const* file, unsigned line) {
    console::Text<200> text;
    console::format(text, "assertion failed: {} ({}:{})", what, file, line);
    panic(text.view());
}

} // namespace base
