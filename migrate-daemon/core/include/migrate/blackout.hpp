/// What a blackout was made of: the moments that both ends noted, made intervals that follow each other without a gap, from when the guest was
/// asked to suspend itself until it was heard at the destination. Their sum is that time, whatever was not noted (docs/migration-protocol.md,
/// "The blackout, by parts").
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "migrate/message.hpp"

namespace migrate {

/// Names of moments, in the order in which they come.
namespace mark {
inline constexpr std::string_view kAsked = "asked"; ///< source: it is asked to suspend itself, or will be paused
inline constexpr std::string_view kClockStopped = "clock_stopped"; ///< it has stopped its own clock, by the hypervisor
inline constexpr std::string_view kStopped = "stopped";      ///< it ran there for the last time, by the hypervisor
inline constexpr std::string_view kNoticed = "noticed";      ///< and the daemon knows
inline constexpr std::string_view kRecord = "record";        ///< its record is there
inline constexpr std::string_view kHarvested = "harvested";  ///< what it had written last is known
inline constexpr std::string_view kSent = "sent";            ///< and is with the kernel, to the last octet
inline constexpr std::string_view kWhole = "whole";          ///< destination: all of it is in, and is what was sent
inline constexpr std::string_view kAdopted = "adopted";      ///< the domain became what the record says
inline constexpr std::string_view kGiven = "given";          ///< it has heard Commit, which may have been before
inline constexpr std::string_view kTaken = "taken";          ///< its journal says that it took it
inline constexpr std::string_view kRuns = "runs";            ///< it ran here for the first time, by the hypervisor
inline constexpr std::string_view kClockGoes = "clock_goes"; ///< its own clock goes on, by the hypervisor
inline constexpr std::string_view kConnected = "connected";  ///< all of its devices are
inline constexpr std::string_view kHeard = "heard";          ///< and it has sent something
} // namespace mark

/// What a moment ends.
struct Ending {
    std::string_view mark;
    std::string_view part;  ///< its name in reports: "…_ms"
    std::string_view words; ///< for people: what happens in it
    bool runs = false;      ///< the guest does, while it lasts
};
/// In the order of time.
[[nodiscard]] std::span<Ending const> endings();

struct Part {
    std::string_view name;
    double ms = 0;
};

/// @p marks in any order, by one clock. A moment that nobody noted, or that comes before one that has to precede it (two clocks agree only so
/// far), ends no part: the next one has its time. Names that are not known are left out. Without `asked` there are no parts.
[[nodiscard]] std::vector<Part> parts_of(std::span<Mark const> marks);

/// For how long the guest's own clock stood still, ms: from when it stopped it until it went on. Nothing if one of both was not noted, as of a
/// guest that is not told that it is moved.
[[nodiscard]] std::optional<double> clock_stood(std::span<Mark const> marks);

} // namespace migrate
