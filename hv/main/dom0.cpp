/// Domain 0, out of what the boot loader brought.
#include "dom0/dom0.hpp"

#include <algorithm>

#include "arch/cpu.hpp"
#include "build/console_info.hpp"
#include "hypervisor.hpp"
#include "module.hpp"
#include "panic.hpp"

namespace {

/// GRUB puts the file's name before its arguments; some say it is the first word.
std::string_view arguments_of(std::string_view command_line) {
    if (command_line.empty() || command_line.front() != '/')
        return command_line;
    while (!command_line.empty() && command_line.front() != ' ')
        command_line.remove_prefix(1);
    while (!command_line.empty() && command_line.front() == ' ')
        command_line.remove_prefix(1);
    return command_line;
}

/// What the modules lay in, and the kernel that was unpacked, is memory like any other, now that domain 0 has been made
/// out of them.
void give_back_modules(Machine const& machine) {
    if (auto const& unpacked = machine.unpacked_kernel; unpacked.count != 0)
        the_system().allocator.add_memory(unpacked.first, unpacked.count);
    for (auto const& module : machine.info.modules) {
        auto frames = boot::frames_around(module.start, module.end);
        frames.first = std::max(frames.first, domain::kFirstMebibyteEnd);
        if (frames.first < frames.end)
            the_system().allocator.add_memory(frames.first, frames.count());
    }
}

} // namespace

void make_dom0(Machine& machine) {
    auto const& modules = machine.info.modules;
    auto const& options = machine.command_line.options;
    auto const made = dom0::make(
        the_system(),
        {.kernel = machine.kernel,
         .initrd = modules.size() > 1 ? bytes_of(modules[1]) : base::Bytes{},
         .command_line = arguments_of(modules[0].command_line),
         .more_arguments = machine.command_line.guest,
         .memory = options.dom0_memory,
         .vcpus = options.dom0_vcpus.count_of(arch::online_cpus()),
         .console = machine.info.framebuffer ? build::console_info_of(*machine.info.framebuffer) : std::nullopt});
    if (!made.ok())
        panic(made.error().reason);
    give_back_modules(machine);
}
