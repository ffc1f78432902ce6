/// How hot a region of memory is: in how many of the latest harvests it was dirty, the last ones counting most.
///
/// Each harvest in which a region was dirty adds 32, and each harvest takes an eighth away: 255 at most, and half of what it was
/// after five harvests without a write. Nothing is done for a region that nobody writes to: it cools when somebody looks.
#pragma once

#include <atomic>
#include <cstdint>

namespace logdirty {

/// One region. Any CPU may do anything at once: a warming may then count for nothing, as it is an estimate.
class Heat {
  public:
    static constexpr unsigned kFrames = 512; ///< of a region: 2 MiB
    static constexpr std::uint32_t kEpochs = std::uint32_t{1} << 24;

    /// It was written to in the time between two harvests that has the number @p epoch, modulo kEpochs.
    void warm(std::uint32_t epoch) {
        auto old = word_.load(std::memory_order_relaxed);
        if (old >> 8 == epoch)
            return;
        word_.compare_exchange_strong(old, epoch << 8 | (cooled(old, epoch) + kStep), std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint8_t at(std::uint32_t epoch) const {
        return static_cast<std::uint8_t>(cooled(word_.load(std::memory_order_relaxed), epoch));
    }

  private:
    static constexpr std::uint32_t kStep = 32;

    static std::uint32_t cooled(std::uint32_t word, std::uint32_t epoch) {
        auto heat = word & 0xff;
        for (auto age = (epoch - (word >> 8)) % kEpochs; age > 0 && heat > 0; --age)
            heat -= (heat + 7) / 8;
        return heat;
    }

    std::atomic<std::uint32_t> word_{0}; ///< heat in the lowest 8 bits, and the epoch for which it was right
};
static_assert(sizeof(Heat) == 4);

} // namespace logdirty
