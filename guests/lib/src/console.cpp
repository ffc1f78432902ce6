#include "lib/console.hpp"

#include "lib/hypercall.hpp"

namespace lib {

Line::~Line() { console_io(CONSOLEIO_write, size_, text_); }

void Line::put(std::string_view text) {
    for (char const letter : text)
        if (size_ < sizeof text_)
            text_[size_++] = letter;
}

void Line::put_in_base(std::uint64_t number, unsigned base) {
    char digits[20];
    unsigned first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    put(std::string_view{digits + first, sizeof digits - first});
}

} // namespace lib
