/// How another host's clock relates to ours, with an error bound, from questions and answers over a connection.
///
/// An answer that left the other host when its clock said `there`, to a question of ours sent at `sent` and answered at `received`, says that
/// `there` lies between the two: so our middle of them is wrong by half the trip at most. The quickest trip says most. An older answer says
/// less than it did, since clocks drift apart; so ask before and after what is to be measured.
#pragma once

#include <cstdint>

namespace migrate {

class ClockRelation {
  public:
    /// Parts in a million by which two clocks may run apart: crystals keep 50 each.
    static constexpr std::int64_t kDriftPpm = 100;

    /// Nanoseconds. Ignored if received < sent.
    void observe(std::uint64_t sent, std::uint64_t there, std::uint64_t received);

    [[nodiscard]] bool known() const { return known_; }
    /// What the other clock says when ours says @p here. REQUIRES: known().
    [[nodiscard]] std::int64_t there_at(std::uint64_t here) const { return static_cast<std::int64_t>(here) + offset_; }
    /// What ours says when the other says @p there. REQUIRES: known().
    [[nodiscard]] std::int64_t here_at(std::uint64_t there) const { return static_cast<std::int64_t>(there) - offset_; }
    /// By how much that may be wrong when our clock says @p here. REQUIRES: known().
    [[nodiscard]] std::int64_t error_at(std::uint64_t here) const;

  private:
    bool known_ = false;
    std::int64_t offset_ = 0;
    std::int64_t error_ = 0;
    std::uint64_t when_ = 0; ///< our clock at the observation
};

} // namespace migrate
