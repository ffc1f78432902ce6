/// What a blackout was made of: the moments that both ends noted, made intervals that follow each other without a gap, from when the guest was
/// asked to suspend itself until it ran at the destination, and was connected there. Their sum is that time, whatever was not noted
/// (docs/migration-protocol.md, "The blackout, by parts").
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "migrate/message.hpp"

namespace migrate {

/// Names of moments, in the order in which they come.
namespace mark {
inline constexpr std::string_view asked = "asked";         ///< source: it is asked to suspend itself, or will be paused
inline constexpr std::string_view stopped = "stopped";     ///< it ran there for the last time, by the hypervisor
inline constexpr std::string_view noticed = "noticed";     ///< and the daemon knows
inline constexpr std::string_view record = "record";       ///< its record is there
inline constexpr std::string_view harvested = "harvested"; ///< what it had written last is known
inline constexpr std::string_view sent = "sent";           ///< and is with the kernel, to the last octet
inline constexpr std::string_view whole = "whole";         ///< destination: all of it is in, and is what was sent
inline constexpr std::string_view adopted = "adopted";     ///< the domain became what the record says
inline constexpr std::string_view given = "given";         ///< it has heard Commit, which may have been before
inline constexpr std::string_view taken = "taken";         ///< its journal says that it took it
inline constexpr std::string_view runs = "runs";           ///< it ran here for the first time, by the hypervisor
inline constexpr std::string_view connected = "connected"; ///< and all of its devices are
} // namespace mark

struct Part {
    std::string_view name; ///< as in reports: "…_ms"
    double ms = 0;
};

/// @p marks in any order, by one clock. A moment that nobody noted, or that comes before one that has to precede it (two clocks agree only so
/// far), ends no part: the next one has its time. Names that are not known are left out. Without `asked` there are no parts.
[[nodiscard]] std::vector<Part> parts_of(std::span<Mark const> marks);

} // namespace migrate
