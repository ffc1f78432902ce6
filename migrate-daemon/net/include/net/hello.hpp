/// The first octets of a connection, and what is answered: docs/migration-wire.md, "First octets". Pure: octets in, values out.
///
/// They are not encrypted, so that whoever listens can say in one sentence why it will not speak, and can hand the connection to
/// the process that it belongs to before anything is decrypted. Both are repeated inside TLS, where nobody can have altered them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "outcome/failure.hpp"

namespace net {

inline constexpr std::uint16_t kVersion = 1;
/// Two older versions are understood, as soon as there are any.
inline constexpr std::uint16_t kOldest = kVersion > 2 ? kVersion - 2 : 1;
inline constexpr unsigned kMostStreams = 16;
inline constexpr std::uint16_t kDefaultPort = 7380;

using Id = std::array<std::uint8_t, 16>;
Id random_id();
std::string text_of(Id const& id); ///< 32 hexadecimal digits
std::optional<Id> id_from(std::string_view text);

enum class Purpose : std::uint8_t {
    control = 0, ///< of a new migration
    data = 1,    ///< stream `index` of `streams`
    again = 2,   ///< control, of a migration that both have journals of, and of which one does not know how it ended
    certificate = 3, ///< no migration: asks which certificate this host has
};

struct Hello {
    std::uint16_t newest = kVersion; ///< that who connects speaks
    std::uint16_t oldest = kOldest;
    Purpose purpose = Purpose::control;
    bool secure = true; ///< TLS comes next
    std::uint8_t index = 0;
    std::uint8_t streams = 1; ///< data connections of this migration
    Id id{};
    friend bool operator==(Hello const&, Hello const&) = default;
};

enum class Verdict : std::uint16_t {
    welcome = 0,
    no_hello = 1,          ///< these are not the first octets of a connection of ours
    version = 2,           ///< no version that both speak
    wants_tls = 3,         ///< who connects must
    has_no_tls = 4,        ///< who listens cannot
    unknown_migration = 5, ///< a data connection whose control connection is not here
    busy = 6,
    last = busy,
};

struct Answer {
    std::uint16_t version = 0; ///< that is spoken from now on; 0: refused
    Verdict verdict = Verdict::welcome;
    std::string text; ///< why not, in one sentence; or the certificate that was asked for
    friend bool operator==(Answer const&, Answer const&) = default;
};

inline constexpr std::size_t kHelloSize = 64;
inline constexpr std::size_t kAnswerSize = 16; ///< and the text
inline constexpr std::size_t kMostText = 8192;

using HelloOctets = std::array<std::byte, kHelloSize>;
HelloOctets octets_of(Hello const& hello);
/// False: whatever follows, this is no hello of ours. 8 octets are enough to tell.
bool could_be_hello(base::Bytes octets);
/// None: who connects is not one of us.
std::optional<Hello> hello_from(base::Bytes octets);

std::string octets_of(Answer const& answer);
/// The fixed part of an answer, and how long its text is.
struct AnswerHead {
    Answer answer;
    std::size_t text = 0;
};
/// None: who listens is not one of us.
std::optional<AnswerHead> answer_from(base::Bytes head);

/// What a listener will have.
struct Terms {
    bool tls = true;       ///< it has a key
    bool insecure = false; ///< it takes connections without TLS
};
/// What a listener answers, as far as the octets tell. `host` is its name, for the sentence.
Answer judge(std::optional<Hello> const& hello, Terms const& terms, std::string_view host);

/// What somebody else wrote, to be shown: only printable characters.
std::string printable(std::string_view text);

} // namespace net
