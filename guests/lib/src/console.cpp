#include "lib/console.hpp"

#include "lib/hypercall.hpp"

namespace lib {
namespace {

void print_in_base(std::uint64_t number, unsigned base) {
    char digits[20];
    unsigned first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    print_one(std::string_view{digits + first, sizeof digits - first});
}

} // namespace

void print_one(std::string_view text) { hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, text.size(), text.data()); }

void print_one(std::uint64_t number) { print_in_base(number, 10); }

void print_one(std::int64_t number) {
    if (number < 0)
        print_one("-");
    print_in_base(number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number), 10);
}

void print_one(Hex number) {
    print_one("0x");
    print_in_base(number.value, 16);
}

} // namespace lib
