#include "console/global.hpp"

#include "arch/cpu.hpp"

namespace console {

namespace {
constinit History the_history; // all zero: costs no room in the image
} // namespace

constinit Console the_console{arch::console_write, the_history};

} // namespace console
