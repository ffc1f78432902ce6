/// A limit to how many messages a guest can cause: a burst, and then one for each interval that passes.
#pragma once

#include <cstdint>

namespace console {

class RateLimit {
  public:
    static constexpr std::uint32_t kBurst = 10;
    static constexpr std::uint64_t kInterval = 500'000'000; ///< ns

    constexpr RateLimit() = default;

    struct Verdict {
        bool admitted = false;
        std::uint64_t dropped = 0; ///< if admitted: how many were dropped since the last that was
    };
    [[nodiscard]] Verdict ask(std::uint64_t now);

  private:
    std::uint32_t tokens_ = kBurst;
    std::uint64_t refilled_ = 0; ///< when the last token came
    std::uint64_t dropped_ = 0;
};

} // namespace console
