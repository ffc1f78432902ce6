/// A small guest that lives: wakes `hz=` times a second (100), and says each second how late the latest of these was. It ends when
/// it is ended from outside. For tests and benchmarks that need guests, many of them or one whose pauses can be seen.
#include "lib/events.hpp"
#include "lib/test.hpp"

using namespace lib;

namespace {

std::uint64_t ticks_a_second() {
    std::uint64_t number = 0;
    for (char const digit : option("hz=")) {
        if (digit < '0' || digit > '9')
            break;
        number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return number > 0 && number <= 100'000 ? number : 100;
}

} // namespace

TEST("it ticks until it is ended") {
    std::uint64_t const hz = ticks_a_second(), period = 1000 * kMillisecond / hz;
    Port const nothing = 0;
    std::uint64_t next = now() + period;
    for (std::uint64_t second = 1;; ++second) {
        std::uint64_t latest = 0;
        for (std::uint64_t i = 0; i < hz; ++i, next += period) {
            while (now() < next) // whatever happens at any port ends a poll: here, that the console was read
                poll(&nothing, 0, next);
            std::uint64_t const late = now() - next;
            latest = late > latest ? late : latest;
        }
        print("# second ", second, ": ", hz, " ticks, the latest ", latest / 1000, " us late\n");
    }
}
