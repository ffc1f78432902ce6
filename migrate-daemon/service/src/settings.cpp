#include "service/settings.hpp"

#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <system_error>

#include <toml++/toml.h>

namespace service {
namespace {

using outcome::fail;
using outcome::Kind;
using outcome::Result;

/// The keys of one table, taken one by one; what is left over was not known.
class Reader {
  public:
    Reader(toml::table const& table, std::string file) : table_{table}, file_{std::move(file)} {}

    template <typename T> void number(char const* key, T& value, std::int64_t least, std::int64_t most) {
        auto const* const node = find(key);
        if (node == nullptr)
            return;
        auto const found = node->value_exact<std::int64_t>();
        if (found && *found >= least && *found <= most)
            value = static_cast<T>(*found);
        else
            complain(*node, std::string{key} + " has to be a number from " + std::to_string(least) + " to " +
                                std::to_string(most));
    }
    void flag(char const* key, bool& value) {
        if (auto const* const node = find(key); node != nullptr) {
            if (auto const found = node->value_exact<bool>())
                value = *found;
            else
                complain(*node, std::string{key} + " has to be true or false");
        }
    }
    template <typename T> void text(char const* key, T& value) {
        if (auto const* const node = find(key); node != nullptr) {
            if (auto const found = node->value_exact<std::string>())
                value = *found;
            else
                complain(*node, std::string{key} + " has to be a text");
        }
    }
    void rate(char const* key, std::uint64_t& value) {
        std::string words;
        text(key, words);
        if (words.empty())
            return;
        if (auto const found = octets_from(words))
            value = *found;
        else
            complain(*table_.get(key), std::string{key} + " is no number of octets, such as \"100MiB\"");
    }

    Result<void> finish() {
        for (auto const& [key, node] : table_)
            if (!known_.contains(std::string{key.str()}))
                complain(node, std::string{key.str()} + " is no setting");
        if (complaint_.empty())
            return {};
        return fail(Kind::precondition, complaint_, "man migrated");
    }

  private:
    toml::node const* find(char const* key) {
        known_.insert(key);
        return table_.get(key);
    }
    void complain(toml::node const& node, std::string const& what) {
        if (complaint_.empty())
            complaint_ = file_ + ", line " + std::to_string(node.source().begin.line) + ": " + what;
    }

    toml::table const& table_;
    std::string file_;
    std::set<std::string, std::less<>> known_;
    std::string complaint_;
};

} // namespace

std::optional<std::uint64_t> octets_from(std::string_view text) {
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    if (error != std::errc{} || !(value >= 0))
        return std::nullopt;
    std::size_t power = 0;
    auto const letter = unit.empty() ? std::string_view::npos : std::string_view{"KMGTk"}.find(unit.front());
    if (letter != std::string_view::npos) {
        power = letter == 4 ? 1 : letter + 1; // k is K
        unit.remove_prefix(1);
    }
    double base = 0;
    if (unit.empty() || unit == "B")
        base = 1000;
    else if (unit == "iB" && power != 0)
        base = 1024;
    if (base == 0)
        return std::nullopt;
    for (; power != 0; --power)
        value *= base;
    if (value > 1e18)
        return std::nullopt;
    return static_cast<std::uint64_t>(value);
}

Result<Settings> settings_from(std::string_view toml, std::string const& file) try {
    auto const table = toml::parse(toml, file);
    Settings settings;
    Reader reader{table, file};
    reader.text("listen", settings.listen);
    reader.number("port", settings.port, 0, 65'535);
    reader.text("keys", settings.keys);
    reader.flag("insecure", settings.insecure);
    reader.rate("bandwidth", settings.bandwidth);
    reader.number("streams", settings.streams, 1, net::kMostStreams);
    reader.number("most_at_once", settings.most_at_once, 1, 64);
    reader.text("socket", settings.socket);
    reader.text("journals", settings.journals);
    reader.text("reports", settings.reports);
    reader.text("history", settings.history);
    reader.text("metrics_listen", settings.metrics_listen);
    reader.number("metrics_port", settings.metrics_port, 0, 65'535);
    TRY(reader.finish());
    return settings;
} catch (toml::parse_error const& error) {
    return fail(Kind::precondition,
                file + ", line " + std::to_string(error.source().begin.line) + ": " + std::string{error.description()},
                "man migrated");
}

Result<Settings> read_settings(std::filesystem::path const& file, bool must_exist) {
    std::error_code error;
    if (!must_exist && !std::filesystem::exists(file, error))
        return Settings{};
    std::ifstream in{file, std::ios::binary};
    if (!in)
        return outcome::fail_errno(file.string() + " cannot be read", Kind::precondition);
    std::string const text{std::istreambuf_iterator<char>{in}, {}};
    return settings_from(text, file.string());
}

} // namespace service
