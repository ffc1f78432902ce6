/// What the operator types: it goes to dom0, or means something to the hypervisor. Ctrl-A three times switches.
///
///     for (char const c : received)
///         for (Action const& action : input.type(c)) ...
///
/// A state machine without effects: a byte in, actions out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/fixed_vector.hpp"

namespace console {

enum class Key : std::uint8_t {
    help,         ///< h
    dump,         ///< d: registers of all CPUs
    dump_domains, ///< q
    dump_trace,   ///< t
    reboot,       ///< R
};

struct KeyHelp {
    char character;
    Key key;
    std::string_view does;
};
/// All keys, in the order in which help shows them.
[[nodiscard]] std::span<KeyHelp const> keys();
[[nodiscard]] std::optional<Key> key_for(char character);

class Input {
  public:
    static constexpr char kEscape = 1; ///< Ctrl-A
    static constexpr std::uint32_t kEscapes = 3;

    enum class Target : std::uint8_t { dom0, hypervisor };

    struct Action {
        enum class Kind : std::uint8_t {
            to_dom0,     ///< `character` is for dom0
            key,         ///< `key` was pressed
            unknown_key, ///< `character` means nothing to the hypervisor
            switched,    ///< `target` has the keyboard now
        };
        Kind kind = Kind::to_dom0;
        char character = 0;
        Key key = Key::help;
        Target target = Target::dom0;
    };
    using Actions = base::FixedVector<Action, kEscapes>;

    constexpr Input() = default;

    /// Escapes are held back until it is clear that they are not three; then they go where they were typed to.
    [[nodiscard]] Actions type(char character);
    [[nodiscard]] Target target() const { return target_; }

  private:
    [[nodiscard]] Action deliver(char character) const;

    Target target_ = Target::dom0;
    std::uint32_t escapes_ = 0;
};

} // namespace console
