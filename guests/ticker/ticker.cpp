/// A small guest that lives: wakes `hz=` times a second (100), and says each second how late the latest of these was. With `beats=N`
/// it says "beat NUMBER NANOSECONDS", by its own clock, every N ticks: xenconsoled takes 150 messages a second of a guest. It ends when it is ended from outside. For tests and benchmarks that
/// need guests, many of them or one whose pauses can be seen.
#include "lib/events.hpp"
#include "lib/test.hpp"

using namespace lib;

namespace {

/// Of the option @p key; @p otherwise if there is none, or it is not from 1 to 100,000.
std::uint64_t number_of(std::string_view key, std::uint64_t otherwise) {
    std::uint64_t number = 0;
    for (char const digit : option(key)) {
        if (digit < '0' || digit > '9')
            break;
        number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return number > 0 && number <= 100'000 ? number : otherwise;
}

} // namespace

TEST("it ticks until it is ended") {
    std::uint64_t const hz = number_of("hz=", 100), period = 1000 * kMillisecond / hz, beats = number_of("beats=", 0);
    Port const nothing = 0;
    std::uint64_t ticks = 0, next = now() + period;
    for (std::uint64_t second = 1;; ++second) {
        std::uint64_t latest = 0;
        for (std::uint64_t i = 0; i < hz; ++i, next += period) {
            while (now() < next) // whatever happens at any port ends a poll: here, that the console was read
                poll(&nothing, 0, next);
            std::uint64_t const late = now() - next;
            latest = late > latest ? late : latest;
            if (beats == 0)
                continue;
            if (late > 1000 * kMillisecond)
                next += late; // it was paused: who made up for that would beat all at once
            if (++ticks % beats == 0)
                print("beat ", ticks / beats, " ", now(), "\n");
        }
        print("# second ", second, ": ", hz, " ticks, the latest ", latest / 1000, " us late\n");
    }
}
