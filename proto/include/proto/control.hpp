/// Messages of the control connection made octets, and back: a length (4 octets, little-endian), then so many octets of a Control
/// (proto/control.proto). Octets in, messages out; whatever the octets are.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "migrate/message.hpp"

namespace proto {

/// Longer messages are neither written nor read.
inline constexpr std::uint32_t kMostMessage = 1U << 20;

/// Appends it, with its length. False, and nothing is appended, if it is too long (a guest's configuration of megabytes).
[[nodiscard]] bool write(migrate::Message const& message, std::vector<std::byte>& out);

enum class ControlError : std::uint8_t { too_long, malformed };
[[nodiscard]] std::string_view text_of(ControlError error);

/// Appends it without a length, for a connection that has its own way to keep messages apart (docs/migration-wire.md). False as above.
[[nodiscard]] bool write_bare(migrate::Message const& message, std::vector<std::byte>& out);
/// The other way; nothing for a message of a kind that this version does not know.
[[nodiscard]] base::Result<std::optional<migrate::Message>, ControlError> read_bare(base::Bytes octets);

/// One for each connection. Messages of kinds that this version does not know are skipped. After an error it only repeats it.
class Reader {
  public:
    void feed(base::Bytes octets);
    /// The next message; nothing if more octets are needed.
    [[nodiscard]] base::Result<std::optional<migrate::Message>, ControlError> next();

  private:
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    std::optional<ControlError> refused_;
};

} // namespace proto
