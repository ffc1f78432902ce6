#include "console/rate_limit.hpp"

#include <algorithm>
#include <utility>

namespace console {

RateLimit::Verdict RateLimit::ask(std::uint64_t now) {
    if (now > refilled_) {
        auto const intervals = (now - refilled_) / kInterval;
        tokens_ = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(kBurst, tokens_ + std::min<std::uint64_t>(intervals, kBurst)));
        refilled_ += intervals * kInterval;
    }
    if (tokens_ == 0) {
        ++dropped_;
        return {};
    }
    --tokens_;
    return {.admitted = true, .dropped = std::exchange(dropped_, 0)};
}

} // namespace console
