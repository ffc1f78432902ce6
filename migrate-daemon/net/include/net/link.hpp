/// A link between two daemons: one connection for messages both ways, and 1 to 16 for octets from the one that called to the one that was
/// called (docs/migration-wire.md). What the messages and the octets say is not known here.
///
///     Link link;                                            // here                     // there
///     TRY(link.connect(call, deadline));                    // ... its daemon answers:  link.attach(…); TRY(link.accept(deadline));
///     TRY(link.send(message));                              //                          TRY(link.receive(deadline));
///     TRY(link.stream(0).write(octets));                    //                          TRY(link.stream(0).read(room));
///
/// It is for callers that block: hypercalls do, so a migration has a thread of its own. All calls may be made by any thread; each of these is
/// for one thread at a time: receive(); one stream's write() and flush(); one stream's read(). One thread inside does all input and output,
/// TLS included; 0.5 to 1 GB/s is what it bears.
///
/// Any trouble on any connection is the link's end: the first failure is what every call returns from then on, those that wait included.
/// Memory: 4 MiB for messages each way, 4 MiB for each stream; who is faster than the wire waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/hello.hpp"
#include "net/keys.hpp"
#include "outcome/failure.hpp"

namespace net {

using Octets = std::vector<std::byte>;
/// None: wait for ever (until cancel()).
using Deadline = std::optional<std::chrono::steady_clock::time_point>;

inline constexpr std::size_t kMostMessage = 1U << 20;

/// Whom to call, and for what.
struct Call {
    std::string host; ///< name or address
    std::uint16_t port = kDefaultPort;
    Id id{};
    Purpose purpose = Purpose::control; ///< or `again`, which has no streams
    std::uint8_t streams = 1;
    std::optional<Credentials> credentials; ///< none: without TLS
};

/// Who is at the other end.
struct Peer {
    std::string name;        ///< what it was called by, or what its certificate calls it
    std::string address;     ///< "10.0.0.2"
    std::string fingerprint; ///< empty: without TLS, it can be anybody
};

class DataStream {
  public:
    /// Waits while 4 MiB wait for the wire. @p octets comes back empty, with room that was used before.
    outcome::Result<void> write(Octets& octets);
    /// Until the kernel has taken all that was written.
    outcome::Result<void> flush(Deadline deadline = {});
    /// Nothing more will be written; the other side reads 0 octets after what was.
    void finish();
    /// At least one octet, or 0: the other side has finished.
    outcome::Result<std::size_t> read(std::span<std::byte> room, Deadline deadline = {});
    /// So many have come from the kernel, or have gone to it.
    [[nodiscard]] std::uint64_t moved() const;

    DataStream(DataStream const&) = delete;
    DataStream& operator=(DataStream const&) = delete;
    ~DataStream();

  private:
    friend class Link;
    struct State;
    explicit DataStream(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

class Link {
  public:
    Link();
    Link(Link const&) = delete;
    Link& operator=(Link const&) = delete;
    /// Ends it at once. REQUIRES: no call is under way in another thread.
    ~Link();

    /// Returns when all connections are there. `connect`: nobody there, or we do not know each other; `precondition`: asked `again`, and the
    /// migration is not known there. Once.
    outcome::Result<void> connect(Call const& call, Deadline deadline);

    /// A connection whose first octets were read and answered with welcome in @p version; takes @p socket. `host`: this one's name.
    void attach(int socket, Hello const& hello, std::uint16_t version);
    /// Returns when all connections that the first told of were attached and have proved who they are. Once.
    /// Before attach(): what they must prove it to (none: without TLS).
    void expect(std::optional<Credentials> credentials);
    outcome::Result<void> accept(Deadline deadline);

    /// Waits while 4 MiB of messages wait for the wire.
    outcome::Result<void> send(base::Bytes message);
    outcome::Result<Octets> receive(Deadline deadline = {});

    [[nodiscard]] std::size_t streams() const;
    [[nodiscard]] DataStream& stream(std::size_t index);

    /// Octets a second over all streams; 0: no limit.
    void set_bandwidth(std::uint64_t rate);
    [[nodiscard]] Peer peer() const;
    [[nodiscard]] std::uint16_t version() const;

    /// All calls, also those that wait, return `cancelled` from now on. Any thread, any time.
    void cancel();
    /// What was sent reaches the other side, as far as it listens; then nothing more can be sent. Returns when the other side has closed, too.
    outcome::Result<void> close(Deadline deadline);

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace net
