/// The seam between a migration's loop and whoever decides when it stops. After each round the loop tells what it saw and is told what
/// to do; a policy has no other knowledge and no other influence, so the same object runs in the daemon, over a recorded trace, and in a test.
///
///     Decision next = policy.first();
///     for (;;) { send a round as `next` says; harvest; next = policy.decide(observation); if (next.what != next_round) break; }
#pragma once

#include <cstdint>
#include <string_view>

namespace policy {

inline constexpr double kPageOctets = 4096;

/// What is known when a round has been sent and the dirty pages have been harvested. Seconds, octets a second, pages.
struct Observation {
    std::uint32_t round = 0;    ///< the one just sent; the first, of all pages, is 0
    std::uint64_t frames = 0;   ///< that the guest has
    std::uint64_t sent = 0;     ///< pages that this round looked at
    std::uint64_t dirty = 0;    ///< pages that the next round, or the blackout, has to send
    double round_seconds = 0;   ///< that this round took
    double elapsed_seconds = 0; ///< since the first round began
    double dirty_rate = 0;      ///< distinct pages dirtied a second, over this round
    double bandwidth = 0;       ///< octets a second that the link carried while it had something to carry; 0 if unknown
    double ratio = 1;           ///< octets of pages for each octet sent: zeros, differences and compression together
    double fixed_seconds =
        0; ///< of a blackout without any page: suspend, last harvest, record, commit, resume; measured or foreseen
    double throttle = 0; ///< share of the vCPUs' time that was taken away in this round

    /// Pages a second that the link takes.
    [[nodiscard]] double throughput() const { return bandwidth * ratio / kPageOctets; }
    /// How long the blackout would be if it began now; pages cost nothing as long as the link is unknown.
    [[nodiscard]] double blackout() const {
        return fixed_seconds + (throughput() > 0 ? static_cast<double>(dirty) / throughput() : 0);
    }
};

enum class Order : std::uint8_t {
    by_number, ///< as they lie: the largest batches, the cheapest look-ups
    hot_last   ///< what is dirty often goes last, and has the least time to become dirty again
};

struct Decision {
    enum class What : std::uint8_t { next_round, stop_and_copy, give_up };
    What what = What::next_round;
    Order order = Order::by_number;
    double rate = 0;           ///< octets a second that the next round may send; 0: as the link allows
    double throttle = 0;       ///< share of the vCPUs' time to take away during the next round, 0 to 1
    std::string_view reason{}; ///< for log and report; a literal
};

class Policy {
  public:
    virtual ~Policy() = default;
    /// How round 0 is sent.
    virtual Decision first() = 0;
    /// After each round. Once it answered anything but next_round it is not asked again.
    virtual Decision decide(Observation const& seen) = 0;
};

} // namespace policy
