/// Chance with a memory: the same numbers on each run, so that what has been found is found again.
#pragma once

#include <cstdint>

namespace lib {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_{seed} {}

    std::uint64_t next() {
        state_ = state_ * 6364136223846793005 + 1442695040888963407;
        std::uint64_t const mixed = (state_ ^ state_ >> 33) * 0xff51afd7ed558ccd;
        return mixed ^ mixed >> 29;
    }
    std::uint64_t below(std::uint64_t count) { return next() % count; }
    bool once_in(std::uint64_t times) { return below(times) == 0; }
    template <typename T, unsigned size> T one_of(T const (&choices)[size]) { return choices[below(size)]; }

  private:
    std::uint64_t state_;
};

} // namespace lib
