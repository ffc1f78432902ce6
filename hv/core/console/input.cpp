#include "console/input.hpp"

#include <array>

namespace console {

namespace {

constexpr std::array kKeys{
    KeyHelp{'h', Key::help, "show this help"},
    KeyHelp{'d', Key::dump, "dump the registers of all CPUs"},
    KeyHelp{'q', Key::dump_domains, "dump the domains and their vCPUs"},
    KeyHelp{'t', Key::dump_trace, "dump the last hypercalls of each CPU"},
    KeyHelp{'R', Key::reboot, "reboot the machine"},
};

} // namespace

std::span<KeyHelp const> keys() { return kKeys; }

std::optional<Key> key_for(char character) {
    for (auto const& one : kKeys)
        if (one.character == character)
            return one.key;
    return std::nullopt;
}

Input::Action Input::deliver(char character) const {
    if (target_ == Target::dom0)
        return {.kind = Action::Kind::to_dom0, .character = character};
    if (auto const key = key_for(character))
        return {.kind = Action::Kind::key, .character = character, .key = *key};
    return {.kind = Action::Kind::unknown_key, .character = character};
}

Input::Actions Input::type(char character) {
    Actions actions;
    auto const add = [&](Action const& action) { ASSERT(actions.push_back(action)); };
    if (character != kEscape) {
        for (; escapes_ != 0; --escapes_)
            add(deliver(kEscape));
        add(deliver(character));
        return actions;
    }
    if (++escapes_ < kEscapes)
        return actions;
    escapes_ = 0;
    target_ = target_ == Target::dom0 ? Target::hypervisor : Target::dom0;
    add({.kind = Action::Kind::switched, .target = target_});
    return actions;
}

} // namespace console
