/// How hard to pack: the level at which a stream moves most, given what link and processor were seen to do. Raw when the link is faster
/// than the codec.
///
/// Packing and sending overlap, so a stream moves min(codec speed, link speed × ratio) octets of pages in a second. Both are measured, by
/// whoever has a clock, for the level in use; a level is left for its neighbour when that one is known, or may be hoped, to move more. What was
/// seen long ago is forgotten, so that a changed link or guest is noticed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace migrate {

class LevelGovernor {
  public:
    /// Some time's work, tens of batches or so.
    struct Sample {
        double contents = 0;      ///< octets of pages that went into batches
        double packed = 0;        ///< octets that came out
        double codec_seconds = 0; ///< that it took, all threads together making it in this time
        double link_speed = 0; ///< octets a second that the link would carry; 0 if it was never full and so is unknown
    };

    /// What PageEncoder::set_level() takes.
    [[nodiscard]] int level() const { return kLevels[at_]; }
    /// Learns, and may change level().
    void observe(Sample const& sample);

    static constexpr std::array<int, 6> kLevels{0, -5, -1, 1, 3, 6};

  private:
    struct Seen {
        double codec_speed = 0;
        double ratio = 1;
        unsigned age = 0;
    };

    [[nodiscard]] double moves(Seen const& seen) const;
    [[nodiscard]] double hoped(std::size_t level) const;
    void choose();

    std::size_t at_ = 3;
    double link_ = 0;
    std::array<std::optional<Seen>, kLevels.size()> seen_;
};

} // namespace migrate
