/// Formatted text without a runtime: "{}" stands for the next argument, "{{" for a brace.
///
///     format(out, "{} maps {} at {} ({:#x})", domain_id, mfn, vaddr, flags);     // d1 maps M1a2b at Vffff8000 (0x67)
///
/// The format is checked when it is compiled: as many fields as arguments, and fields of the form
///
///     {[:[#][0][width][x]]}     # writes 0x before it, 0 pads with zeros, x is for hexadecimal; width counts all
///
/// Numbers are padded on the left, text on the right. Frames, addresses and ids print what they are:
///
///     Mfn M1a2b · Gfn G1a2b · Pfn P1a2b · Maddr m1a2b000 · Gaddr g1a2b000 · Vaddr V1a2b000 (invalid frames: M-)
///     DomId d1 · VcpuId v0 · CpuId c3 · Port p17 · GrantRef r8 · GrantHandle h4
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/error.hpp"
#include "base/frame.hpp"
#include "base/function_ref.hpp"
#include "base/number.hpp"
#include "console/text.hpp"

namespace console {

/// An argument, without its type.
struct Argument {
    enum class Kind : std::uint8_t { number, character, text };

    Kind kind = Kind::number;
    char prefix = 0; ///< what kind of number it is, if not 0
    bool negative = false;
    bool hexadecimal = false;
    bool invalid = false; ///< a number that is none
    std::uint64_t number = 0;
    std::string_view text{};
};

constexpr Argument argument(std::string_view text) { return {.kind = Argument::Kind::text, .text = text}; }
constexpr Argument argument(char const* text) { return argument(view_of(text)); }
constexpr Argument argument(char c) {
    return {.kind = Argument::Kind::character, .number = static_cast<unsigned char>(c)};
}
constexpr Argument argument(bool yes) { return argument(yes ? "yes" : "no"); }
constexpr Argument argument(std::unsigned_integral auto value) { return {.number = value}; }
constexpr Argument argument(std::signed_integral auto value) {
    auto const wide = static_cast<std::uint64_t>(value); // sign-extended
    return {.negative = value < 0, .number = value < 0 ? 0 - wide : wide};
}
template <typename T> Argument argument(T* pointer) {
    return {.prefix = 'V', .hexadecimal = true, .number = reinterpret_cast<std::uintptr_t>(pointer)};
}

template <typename Tag> constexpr Argument frame_argument(char prefix, base::FrameNumber<Tag> frame) {
    return {.prefix = prefix, .hexadecimal = true, .invalid = !frame.valid(), .number = frame.raw()};
}
constexpr Argument argument(base::Mfn frame) { return frame_argument('M', frame); }
constexpr Argument argument(base::Gfn frame) { return frame_argument('G', frame); }
constexpr Argument argument(base::Pfn frame) { return frame_argument('P', frame); }

constexpr Argument argument(base::Maddr at) { return {.prefix = 'm', .hexadecimal = true, .number = at.raw()}; }
constexpr Argument argument(base::Gaddr at) { return {.prefix = 'g', .hexadecimal = true, .number = at.raw()}; }
constexpr Argument argument(base::Vaddr at) { return {.prefix = 'V', .hexadecimal = true, .number = at.raw()}; }

constexpr Argument argument(base::DomId id) { return {.prefix = 'd', .number = id.raw()}; }
constexpr Argument argument(base::VcpuId id) { return {.prefix = 'v', .number = id.raw()}; }
constexpr Argument argument(base::CpuId id) { return {.prefix = 'c', .number = id.raw()}; }
constexpr Argument argument(base::Port port) { return {.prefix = 'p', .number = port.raw()}; }
constexpr Argument argument(base::GrantRef ref) { return {.prefix = 'r', .number = ref.raw()}; }
constexpr Argument argument(base::GrantHandle handle) { return {.prefix = 'h', .number = handle.raw()}; }

std::string_view name_of(base::Error error);
inline Argument argument(base::Error error) { return argument(name_of(error)); }

/// What stands between the braces.
struct Field {
    bool alternative = false; ///< '#'
    bool zeros = false;
    bool hexadecimal = false;
    std::uint8_t width = 0;
};

namespace detail {

inline constexpr std::size_t kNotAField = ~std::size_t{0};

/// Reads the field that begins after the '{' at @p at - 1; answers where it ends, after its '}'.
constexpr std::size_t parse_field(std::string_view format, std::size_t at, Field& field) {
    auto const next = [&] { return at < format.size() ? format[at] : '\0'; };
    if (next() == ':') {
        ++at;
        if (next() == '#') {
            field.alternative = true;
            ++at;
        }
        if (next() == '0') {
            field.zeros = true;
            ++at;
        }
        unsigned width = 0;
        for (; next() >= '0' && next() <= '9' && width < 100; ++at)
            width = width * 10 + static_cast<unsigned>(next() - '0');
        if (width >= 100)
            return kNotAField;
        field.width = static_cast<std::uint8_t>(width);
        if (next() == 'x') {
            field.hexadecimal = true;
            ++at;
        }
    }
    return next() == '}' ? at + 1 : kNotAField;
}

void the_format_is_wrong(); // not constexpr: the compiler stops where this is called

consteval void check(std::string_view format, std::size_t arguments) {
    std::size_t fields = 0;
    for (std::size_t at = 0; at < format.size();) {
        char const c = format[at++];
        if (c != '{' && c != '}')
            continue;
        if (at < format.size() && format[at] == c) {
            ++at;
            continue;
        }
        Field field;
        at = c == '{' ? parse_field(format, at, field) : kNotAField;
        if (at == kNotAField)
            the_format_is_wrong();
        ++fields;
    }
    if (fields != arguments)
        the_format_is_wrong();
}

} // namespace detail

/// A format for arguments of just these types.
template <typename... Args> struct FormatFor {
    template <std::size_t N> consteval FormatFor(char const (&format)[N]) : text{format, N - 1} {
        detail::check(text, sizeof...(Args));
    }
    std::string_view text;
};
template <typename... Args> using Format = FormatFor<std::type_identity_t<Args>...>;

/// Where text goes, piece by piece.
using Output = base::FunctionRef<void(std::string_view)>;

/// The same with the arguments' types gone; @p format has been checked.
void format_arguments(Output to, std::string_view format, std::span<Argument const> arguments);

/// Appends to @p to: a Text, or anything else with `put`.
template <typename To, typename... Args> void format(To& to, Format<Args...> form, Args const&... args) {
    std::array<Argument, sizeof...(Args)> const arguments{argument(args)...};
    auto const put = [&](std::string_view piece) { to.put(piece); };
    format_arguments(put, form.text, arguments);
}

} // namespace console
