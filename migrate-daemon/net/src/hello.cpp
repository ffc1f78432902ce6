#include "net/hello.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace net {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {0x93, 'T', 'E', 'R', 'N', '>', '\r', '\n'};

struct HelloLayout {
    std::array<std::uint8_t, 8> magic;
    std::uint16_t newest, oldest;
    std::uint8_t purpose, flags, index, streams;
    Id id;
    std::array<std::uint8_t, 32> reserved;
};
static_assert(sizeof(HelloLayout) == kHelloSize);

struct AnswerLayout {
    std::array<std::uint8_t, 8> magic;
    std::uint16_t version, verdict;
    std::uint32_t text;
};
static_assert(sizeof(AnswerLayout) == kAnswerSize);

constexpr std::uint8_t kSecure = 1;

std::string range(std::uint16_t oldest, std::uint16_t newest) {
    return oldest == newest ? std::to_string(newest) : std::to_string(oldest) + " to " + std::to_string(newest);
}

} // namespace

Id random_id() {
    std::random_device random;
    Id id;
    std::ranges::generate(id, [&] { return static_cast<std::uint8_t>(random()); });
    return id;
}

std::string text_of(Id const& id) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (auto const octet : id)
        text.append({kDigits[octet >> 4], kDigits[octet & 15]});
    return text;
}

std::optional<Id> id_from(std::string_view text) {
    Id id{};
    if (text.size() != 2 * id.size())
        return std::nullopt;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char const digit = text[i];
        bool const letter = digit >= 'a' && digit <= 'f';
        if (!letter && (digit < '0' || digit > '9'))
            return std::nullopt;
        id[i / 2] = static_cast<std::uint8_t>(id[i / 2] << 4 | (letter ? digit - 'a' + 10 : digit - '0'));
    }
    return id;
}

HelloOctets octets_of(Hello const& hello) {
    HelloLayout const layout{.magic = kMagic,
                             .newest = hello.newest,
                             .oldest = hello.oldest,
                             .purpose = static_cast<std::uint8_t>(hello.purpose),
                             .flags = hello.secure ? kSecure : std::uint8_t{0},
                             .index = hello.index,
                             .streams = hello.streams,
                             .id = hello.id,
                             .reserved = {}};
    HelloOctets octets;
    std::memcpy(octets.data(), &layout, sizeof layout);
    return octets;
}

bool could_be_hello(base::Bytes octets) {
    return octets.size() >= kMagic.size() && std::memcmp(octets.data(), kMagic.data(), kMagic.size()) == 0;
}

std::optional<Hello> hello_from(base::Bytes octets) {
    auto const layout = base::load<HelloLayout>(octets);
    if (!layout || layout->magic != kMagic)
        return std::nullopt;
    Hello const hello{.newest = layout->newest,
                      .oldest = layout->oldest,
                      .purpose = static_cast<Purpose>(layout->purpose),
                      .secure = (layout->flags & kSecure) != 0,
                      .index = layout->index,
                      .streams = layout->streams,
                      .id = layout->id};
    // What a later version puts elsewhere is none of our business: it will be told that we do not speak it.
    if (hello.oldest > kVersion)
        return hello;
    bool const sane = hello.oldest != 0 && hello.oldest <= hello.newest && layout->purpose <= 3 &&
                      layout->flags <= kSecure && hello.streams >= 1 && hello.streams <= kMostStreams &&
                      hello.index < hello.streams && (hello.purpose == Purpose::data || hello.index == 0) &&
                      std::ranges::all_of(layout->reserved, [](auto octet) { return octet == 0; });
    return sane ? std::optional{hello} : std::nullopt;
}

std::string octets_of(Answer const& answer) {
    auto const text = answer.text.substr(0, kMostText);
    AnswerLayout const layout{.magic = kMagic,
                              .version = answer.version,
                              .verdict = static_cast<std::uint16_t>(answer.verdict),
                              .text = static_cast<std::uint32_t>(text.size())};
    std::string octets(sizeof layout, '\0');
    std::memcpy(octets.data(), &layout, sizeof layout);
    return octets + text;
}

std::optional<AnswerHead> answer_from(base::Bytes head) {
    auto const layout = base::load<AnswerLayout>(head);
    if (!layout || layout->magic != kMagic || layout->text > kMostText)
        return std::nullopt;
    // A verdict that we do not know is a refusal all the same.
    auto const known = std::min(layout->verdict, static_cast<std::uint16_t>(Verdict::last));
    return AnswerHead{{layout->version, static_cast<Verdict>(known), {}}, layout->text};
}

Answer judge(std::optional<Hello> const& hello, Terms const& terms, std::string_view host) {
    std::string const name{host};
    if (!hello)
        return {0, Verdict::no_hello, "what connected to " + name + " does not speak the migration protocol"};
    if (hello->oldest > kVersion || hello->newest < kOldest)
        return {0, Verdict::version,
                name + " speaks version " + range(kOldest, kVersion) + " of the migration protocol, not " +
                    range(hello->oldest, hello->newest)};
    if (hello->purpose != Purpose::certificate && !hello->secure && !terms.insecure)
        return {0, Verdict::wants_tls, name + " wants TLS, and the connection came without it"};
    if (hello->purpose != Purpose::certificate && hello->secure && !terms.tls)
        return {0, Verdict::has_no_tls, name + " has no key, and the connection wants TLS"};
    return {std::min(hello->newest, kVersion), Verdict::welcome, {}};
}

std::string printable(std::string_view text) {
    std::string shown{text};
    std::ranges::replace_if(
        shown, [](char one) { return one < ' ' || one > '~'; }, '?');
    return shown;
}

} // namespace net
