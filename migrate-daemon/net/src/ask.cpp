// The question for another host's certificate, which anybody may ask: no TLS, no migration.

#include <array>
#include <istream>

#include <asio/ip/tcp.hpp>

#include "explain.hpp"
#include "net/hello.hpp"
#include "net/keys.hpp"

namespace net {

using outcome::fail;
using outcome::Kind;
using outcome::Result;

Result<Certificate> ask_for_certificate(std::string const& host, std::uint16_t port,
                                        std::chrono::milliseconds patience) {
    asio::ip::tcp::iostream stream;
    stream.expires_after(patience);
    stream.connect(host, std::to_string(port));
    if (!stream)
        return base::Err{explain_opening(stream.error(), host)};
    auto const hello = octets_of(Hello{.purpose = Purpose::certificate, .id = {}});
    stream.write(reinterpret_cast<char const*>(hello.data()), hello.size());
    std::array<char, kAnswerSize> head{};
    stream.read(head.data(), head.size());
    auto const answer = stream ? answer_from(std::as_bytes(std::span{head})) : std::nullopt;
    if (!answer)
        return fail(Kind::connect, "what listens at " + host + ", port " + std::to_string(port) + ", is no migrated");
    std::string text(answer->text, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (answer->answer.verdict != Verdict::welcome)
        return fail(Kind::connect, "refused by " + host + ": " + printable(text));
    return certificate_from(text);
}

} // namespace net
