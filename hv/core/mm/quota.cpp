#include "mm/quota.hpp"

#include <limits>

namespace mm {

namespace {
constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
}

void Quota::set_limit(std::uint64_t frames) {
    limit_.store(frames < kMost ? static_cast<std::uint32_t>(frames) : kMost, std::memory_order_relaxed);
}

bool Quota::charge(std::uint32_t frames) { return add(frames, limit()); }

bool Quota::charge_beyond_limit(std::uint32_t frames) { return add(frames, kMost); }

void Quota::refund(std::uint32_t frames) {
    // Release: who sees 0 sees everything that was done with the frames.
    auto const before = total_.fetch_sub(frames, std::memory_order_release);
    ASSERT(before >= frames);
}

bool Quota::add(std::uint32_t frames, std::uint32_t limit) {
    auto total = total_.load(std::memory_order_relaxed);
    do {
        if (total > limit || limit - total < frames)
            return false;
    } while (!total_.compare_exchange_weak(total, total + frames, std::memory_order_relaxed));
    return true;
}

} // namespace mm
