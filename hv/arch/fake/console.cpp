/// The console: two strings.
#include <algorithm>

#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"

using arch_fake::Machine;

namespace arch {

void console_write(std::span<char const> text) { Machine::current().console_output.append(text.data(), text.size()); }

std::size_t console_read(std::span<char> into) {
    auto& waiting = Machine::current().console_input;
    auto const count = std::min(into.size(), waiting.size());
    std::copy_n(waiting.begin(), count, into.begin());
    waiting.erase(0, count);
    return count;
}

} // namespace arch
