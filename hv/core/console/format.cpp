#include "console/format.hpp"

#include "base/assert.hpp"

namespace console {

std::string_view name_of(base::Error error) {
    using enum base::Error;
    switch (error) {
    case not_permitted: return "not permitted";
    case not_found: return "not found";
    case no_such_domain: return "no such domain";
    case io: return "I/O error";
    case too_big: return "too big";
    case again: return "again";
    case no_memory: return "no memory";
    case access_denied: return "access denied";
    case bad_address: return "bad address";
    case busy: return "busy";
    case exists: return "exists";
    case no_device: return "no device";
    case no_such_address: return "no such address";
    case invalid: return "invalid";
    case no_space: return "no space";
    case out_of_domain: return "out of domain";
    case out_of_range: return "out of range";
    case not_implemented: return "not implemented";
    case no_data: return "no data";
    case not_supported: return "not supported";
    case no_buffers: return "no buffers";
    case preempted: return "preempted";
    }
    return "?";
}

namespace {

/// The digits of a number, right to left.
class Digits {
  public:
    Digits(std::uint64_t number, bool hexadecimal) {
        auto const base = hexadecimal ? 16u : 10u;
        do {
            digits_[--first_] = "0123456789abcdef"[number % base];
            number /= base;
        } while (number != 0);
    }
    [[nodiscard]] std::string_view view() const { return {digits_.data() + first_, digits_.size() - first_}; }

  private:
    std::array<char, 20> digits_{};
    std::size_t first_ = digits_.size();
};

void pad(Output const& to, std::size_t length, std::size_t width, std::string_view with) {
    for (; length < width; ++length)
        to(with);
}

void put_text(Output const& to, Field const& field, std::string_view text) {
    to(text);
    pad(to, text.size(), field.width, " ");
}

/// [spaces][-][prefix][0x][zeros]digits
void put_number(Output const& to, Field const& field, Argument const& argument) {
    bool const hexadecimal = field.hexadecimal || argument.hexadecimal;
    Digits const number{argument.number, hexadecimal};
    auto const digits = argument.invalid ? std::string_view{"-"} : number.view();
    bool const shows_base = field.alternative && hexadecimal && !argument.invalid;
    auto const length =
        digits.size() + (argument.negative ? 1 : 0) + (argument.prefix != 0 ? 1 : 0) + (shows_base ? 2 : 0);
    bool const zeros = field.zeros && !argument.invalid;

    if (!zeros)
        pad(to, length, field.width, " ");
    if (argument.negative)
        to("-");
    if (argument.prefix != 0)
        to({&argument.prefix, 1});
    if (shows_base)
        to("0x");
    if (zeros)
        pad(to, length, field.width, "0");
    to(digits);
}

void put(Output const& to, Field const& field, Argument const& argument) {
    switch (argument.kind) {
    case Argument::Kind::number: put_number(to, field, argument); return;
    case Argument::Kind::character: {
        auto const character = static_cast<char>(argument.number);
        put_text(to, field, {&character, 1});
        return;
    }
    case Argument::Kind::text: put_text(to, field, argument.text); return;
    }
}

} // namespace

void format_arguments(Output to, std::string_view format, std::span<Argument const> arguments) {
    std::size_t next = 0;
    for (std::size_t at = 0; at < format.size();) {
        auto special = at;
        while (special < format.size() && format[special] != '{' && format[special] != '}')
            ++special;
        if (special != at)
            to(part(format, at, special));
        if (special == format.size())
            return;
        at = special + 1;
        if (at < format.size() && format[at] == format[special]) { // "{{" and "}}"
            to(part(format, at, at + 1));
            ++at;
            continue;
        }
        Field field;
        at = detail::parse_field(format, at, field);
        ASSERT(at != detail::kNotAField && next < arguments.size()); // the compiler has checked
        put(to, field, arguments[next++]);
    }
}

} // namespace console
