#include "domain/console.hpp"

#include <array>

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "console/input.hpp"
#include "domain/notice.hpp"
#include "domain/trace.hpp"

namespace domain {
namespace {

using console::Input;

void obey(System& system, console::Key key) {
    switch (key) {
    case console::Key::help:
        for (auto const& help : console::keys())
            console::always("    {}: {}", help.character, help.does);
        return;
    case console::Key::dump:
    case console::Key::dump_domains: dump_all_domains(system); return;
    case console::Key::dump_trace: dump_trace(system); return;
    case console::Key::reboot: arch::reboot();
    }
}

/// True if @p action gave dom0 something to read.
bool perform_action(System& system, Input::Action const& action) {
    switch (action.kind) {
    case Input::Action::Kind::to_dom0:
        return system.console_input.with([&](console::InputRing& ring) { return ring.push(action.character); });
    case Input::Action::Kind::key: obey(system, action.key); return false;
    case Input::Action::Kind::unknown_key:
        console::always("no such key: {}; h shows those that there are", action.character);
        return false;
    case Input::Action::Kind::switched:
        console::always("input goes to {} (Ctrl-A three times switches)",
                        action.target == Input::Target::dom0 ? "dom0" : "the hypervisor");
        return false;
    }
    return false;
}

} // namespace

void write_console(Domain& domain, std::span<char const> bytes) {
    if (domain.privileged)
        console::the_console.write_dom0(bytes);
    else
        domain.console_line.with(
            [&](console::GuestLine& line) { console::the_console.write_guest(domain.id, line, bytes); });
}

std::size_t read_console(System& system, std::span<char> into) {
    return system.console_input.with([&](console::InputRing& ring) { return ring.read(into); });
}

void press_key(System& system, char character) {
    if (auto const key = console::key_for(character))
        obey(system, *key);
}

void poll_console(System& system) {
    std::array<char, 16> received;
    std::size_t const size = arch::console_read(received);
    bool for_dom0 = false;
    for (char const character : std::span{received}.first(size))
        for (auto const& action : system.console_keys.type(character))
            for_dom0 = perform_action(system, action) || for_dom0;
    Domain* const dom0 = system.find(base::DomId{0});
    if (for_dom0 && dom0 != nullptr)
        deliver(dom0->events.raise_virq(VIRQ_CONSOLE));
}

} // namespace domain
