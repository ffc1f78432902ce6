/// Printing: text and numbers, a line at a time: dom0's through console_io, a domU's through its console ring.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace lib {

struct Hex {
    std::uint64_t value;
};

/// What one print() says; given to the console in one piece when it ends, so that vCPUs do not cut into each other.
class Line {
  public:
    Line() = default;
    Line(Line const&) = delete;
    Line& operator=(Line const&) = delete;
    ~Line();

    void put(std::string_view text);
    void put(Hex number) { put("0x"), put_in_base(number.value, 16); }
    template <std::integral T> void put(T number) {
        if (number < 0)
            put("-");
        auto const bits = static_cast<std::uint64_t>(number);
        put_in_base(number < 0 ? 0 - bits : bits, 10);
    }

  private:
    void put_in_base(std::uint64_t number, unsigned base);

    char text_[256];
    unsigned size_ = 0;
};

/// Prints @p pieces one after the other; a line ends with its own "\n".
template <typename... Pieces> void print(Pieces const&... pieces) {
    Line line;
    (line.put(pieces), ...);
}

/// Before the first print().
void open_console();
/// Waits until all that was printed is read: what still lies in the ring goes with the domain.
void drain_console();

} // namespace lib
