/// The free lists of the buddy system: runs of 2^order frames, aligned to their size, merged when both halves are free.
///
/// A list for each order in each *zone*. Zone z holds the frames whose number has z significant bits, [2^(z-1), 2^z):
/// a request below b address bits may use the zones up to b - 12, and every other request starts at the top, so that
/// low memory, which DMA engines with few address wires need, is handed out last. Runs never cross a zone, for a zone
/// is as long as its first frame's number. Frame 0 is nobody's: 0 ends a list.
///
/// Not locked, and no bytes are touched: the frame allocator does both.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/frame.hpp"
#include "mm/frame_table.hpp"

namespace mm {

inline constexpr unsigned kMaxOrder = 18; ///< a run of 1 GiB
inline constexpr unsigned kOrders = kMaxOrder + 1;
inline constexpr unsigned kZones = 33;

class FreeRuns {
  public:
    explicit FreeRuns(FrameTable& table) : table_{&table} {}

    struct Run {
        base::Mfn first;
        bool unscrubbed;
    };

    /// A run of 2^@p order frames below 2^@p address_bits bytes, out of the highest zone that has one.
    [[nodiscard]] std::optional<Run> take(unsigned order, unsigned address_bits);
    /// Makes 2^@p order frames at @p first free. They must be nobody's and in no list.
    void put(base::Mfn first, unsigned order, bool unscrubbed);

    [[nodiscard]] std::uint64_t frames() const { return frames_; }
    [[nodiscard]] std::uint64_t frames_in(unsigned zone) const { return zones_[zone].frames; }
    [[nodiscard]] static unsigned zone_of(base::Mfn frame);

  private:
    struct Zone {
        std::uint64_t frames = 0;
        std::uint32_t orders = 0;                   ///< bit n: there are runs of order n
        std::array<std::uint32_t, kOrders> first{}; ///< the first run of each order; 0: none
    };

    void link(base::Mfn first, unsigned order, bool unscrubbed);
    bool unlink(base::Mfn first, unsigned order);
    [[nodiscard]] bool is_free_run(base::Mfn first, unsigned order) const;

    FrameTable* table_;
    std::array<Zone, kZones> zones_{};
    std::uint64_t frames_ = 0;
};

} // namespace mm
