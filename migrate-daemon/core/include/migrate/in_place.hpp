/// How much of the streams a destination has put in place, and the source's question whether it is so much yet. A page of zeros is some seventeen
/// octets on the wire and 4096 in memory: what waits in sockets may be more work than all the source has done, and it would be
/// done in the blackout (docs/decisions/0015-catch-up.md).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "migrate/message.hpp"

namespace migrate {

/// Any thread. What is returned is to be sent.
class InPlace {
  public:
    /// @p octets more are.
    std::optional<CaughtUp> put(std::uint64_t octets) {
        std::lock_guard const guard{mutex_};
        octets_ += octets;
        return answer();
    }
    std::optional<CaughtUp> asked(CatchUp const& question) {
        std::lock_guard const guard{mutex_};
        wanted_ = question.octets;
        return answer();
    }

  private:
    std::optional<CaughtUp> answer() {
        if (!wanted_ || octets_ < *wanted_)
            return std::nullopt;
        return CaughtUp{*std::exchange(wanted_, std::nullopt)};
    }

    std::mutex mutex_;
    std::uint64_t octets_ = 0;
    std::optional<std::uint64_t> wanted_;
};

} // namespace migrate
