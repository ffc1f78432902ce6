/// Between the daemon and a worker: a pair of sockets that keep messages apart, each an object of JSON, some with a file descriptor.
///
///     daemon -> worker   {"start": {…}}, {"connection": {"hello": "…", "version": 1}} + socket, {"cancel": true}
///     worker -> daemon   {"progress": {…}}, {"result": {…}}
#pragma once

#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

namespace service {

/// Progress and results are small; a report goes into a file.
inline constexpr std::size_t kMostPacket = 128U << 10;

/// Two ends, both closed on exec; false: no descriptors left.
bool make_channel(int (&ends)[2]);
/// False: the other end is gone, or (a daemon's end) it does not read. @p descriptor: -1 for none; stays the caller's.
bool send_packet(int channel, nlohmann::json const& content, int descriptor = -1);

struct Packet {
    nlohmann::json content;
    int descriptor = -1; ///< the receiver's from now on
};
enum class Received { packet, nothing, end };
/// `nothing`: only if the channel does not block, or what came was no object.
Received receive_packet(int channel, Packet& packet);

} // namespace service
