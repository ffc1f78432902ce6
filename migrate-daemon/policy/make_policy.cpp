#include "policy/make_policy.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "policy/clark.hpp"
#include "policy/units.hpp"
#include "policy/xen.hpp"

namespace policy {
namespace {

/// A key that a policy has: takes a value, or is not pleased by it.
struct Key {
    std::string_view name;
    std::string_view wants;
    std::function<bool(std::string_view)> take;
};
using Keys = std::vector<Key>;

template <typename T, typename Parse> std::function<bool(std::string_view)> into(T& target, Parse parse) {
    return [&target, parse](std::string_view text) {
        auto const value = parse(text);
        if (value)
            target = static_cast<T>(*value);
        return value.has_value();
    };
}

constexpr std::string_view kTime = "a time such as 50ms or 2s";
constexpr std::string_view kRate = "a rate such as 100Mbit/s or 30MB/s";
constexpr std::string_view kSize = "a size such as 256KiB";
constexpr std::string_view kCount = "a number";

std::optional<bool> parse_yes(std::string_view text) {
    return text == "yes" || text == "no" ? std::optional{text == "yes"} : std::nullopt;
}

std::optional<Tern::Last> parse_last(std::string_view text) {
    return text == "cancel"  ? std::optional{Tern::Last::cancel}
           : text == "force" ? std::optional{Tern::Last::force}
                             : std::nullopt;
}

std::optional<double> parse_share(std::string_view text) {
    auto const number = parse_octets(text); // any number
    return number && *number < 1 && text.back() != 'B' ? number : std::nullopt;
}

std::string in_quotes(std::string_view text) { return "'" + std::string{text} + "'"; }

/// "a, b and c"
std::string list_of(Keys const& keys) {
    std::string list;
    for (std::size_t i = 0; i < keys.size(); ++i)
        list += std::string{i == 0 ? "" : i + 1 == keys.size() ? " and " : ", "} + std::string{keys[i].name};
    return list;
}

/// Empty, or what is wrong.
std::string read_settings(std::string_view name, std::string_view text, Keys const& keys) {
    std::set<std::string_view> given;
    while (!text.empty()) {
        auto const setting = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), setting.size() + 1));
        auto const equals = setting.find('=');
        auto const key_name = setting.substr(0, equals);
        if (equals == std::string_view::npos)
            return "policy " + std::string{name} + ": " + in_quotes(setting) + " is not key=value";
        auto const key = std::find_if(keys.begin(), keys.end(), [&](Key const& one) { return one.name == key_name; });
        if (key == keys.end())
            return "policy " + std::string{name} + " has no key " + in_quotes(key_name) + "; it has " + list_of(keys);
        if (!given.insert(key_name).second)
            return "policy " + std::string{name} + ": " + std::string{key_name} + " is given twice";
        if (!key->take(setting.substr(equals + 1)))
            return "policy " + std::string{name} + ": " + std::string{key_name} + " wants " + std::string{key->wants} +
                   ", not " + in_quotes(setting.substr(equals + 1));
    }
    return {};
}

template <typename P> MadePolicy made(typename P::Options const& options, std::string const& error) {
    return error.empty() ? MadePolicy{std::make_unique<P>(options), {}} : MadePolicy{nullptr, error};
}

} // namespace

MadePolicy make_policy(std::string_view text, Tern::Options const& goals) {
    auto const colon = text.find(':');
    auto const name = text.substr(0, colon);
    auto const settings = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (name == "tern") {
        auto options = goals;
        return made<Tern>(options, read_settings(name, settings,
                                                 {{"downtime", kTime, into(options.downtime, parse_seconds)},
                                                  {"timeout", kTime, into(options.timeout, parse_seconds)},
                                                  {"rounds", kCount, into(options.rounds, parse_count)},
                                                  {"throttle", "yes or no", into(options.may_throttle, parse_yes)},
                                                  {"most-throttle", "a share below 1, such as 0.95",
                                                   into(options.most_throttle, parse_share)},
                                                  {"last", "cancel or force", into(options.last, parse_last)}}));
    }
    if (name == "xen") {
        Xen::Options options;
        return made<Xen>(options, read_settings(name, settings,
                                                {{"pages", kCount, into(options.pages, parse_count)},
                                                 {"rounds", kCount, into(options.rounds, parse_count)}}));
    }
    if (name == "clark") {
        Clark::Options options;
        return made<Clark>(options, read_settings(name, settings,
                                                  {{"lowest", kRate, into(options.lowest, parse_rate)},
                                                   {"highest", kRate, into(options.highest, parse_rate)},
                                                   {"step", kRate, into(options.step, parse_rate)},
                                                   {"left", kSize, into(options.left, parse_octets)}}));
    }
    return {nullptr, "there is no policy " + in_quotes(name) + "; there are tern, xen and clark"};
}

} // namespace policy
