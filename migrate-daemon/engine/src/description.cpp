#include "engine/description.hpp"

#include <array>

#include "hypervisor/configuration.hpp"
#include "json/text.hpp"

namespace engine {
namespace {

using hypervisor::SharedRing;
using hypervisor::Way;
using nlohmann::json;
using outcome::Kind;
using outcome::Result;

constexpr int kSchema = 1;
/// What Linux says of itself once, when it boots (drivers/xen/manage.c looks for each).
constexpr std::array kNodes = {"control/feature-suspend", "control/feature-poweroff", "control/feature-reboot"};

json ring_as_json(SharedRing const& ring) { return {{"gfn", ring.gfn}, {"port", ring.port}}; }

SharedRing ring_from(json const& ring) { return {.gfn = ring.at("gfn"), .port = ring.at("port")}; }

} // namespace

std::string Description::text() const {
    return json_text::line({{"schema", kSchema},
                            {"name", name},
                            {"uuid", uuid},
                            {"way", name_of(way)},
                            {"store", ring_as_json(store)},
                            {"console", ring_as_json(console)},
                            {"nodes", nodes},
                            {"configuration", json_text::parse(configuration)}});
}

Result<Description> Description::from(std::string_view text) try {
    auto const parsed = json_text::parse(text);
    if (parsed.at("schema").get<int>() > kSchema)
        return outcome::fail(Kind::precondition, "the description is of a later schema than this program knows",
                             "use at least the version that wrote it");
    Description read;
    read.name = parsed.at("name");
    read.uuid = parsed.at("uuid");
    read.way = parsed.at("way") == name_of(Way::cooperative) ? Way::cooperative : Way::transparent;
    read.store = ring_from(parsed.at("store"));
    read.console = ring_from(parsed.at("console"));
    read.nodes = parsed.at("nodes").get<std::map<std::string, std::string>>();
    read.configuration = json_text::line(parsed.at("configuration"));
    return read;
} catch (json::exception const& error) {
    return outcome::fail(Kind::precondition, std::string{"the description is malformed: "} + error.what());
}

Result<Description> Description::of(hypervisor::Toolstack const& tools, hypervisor::DomainName const& domain, Way way) {
    Description found{.name = domain.name,
                      .uuid = domain.uuid,
                      .way = way,
                      .store = TRY(ring_of(tools, domain.id, "store")),
                      .console = TRY(ring_of(tools, domain.id, "console")),
                      .nodes = {},
                      .configuration = {}};
    for (auto const* const node : kNodes)
        if (auto value = read_node(tools, domain.id, node); !value.empty())
            found.nodes[node] = std::move(value);
    auto config = TRY(hypervisor::Configuration::of(tools, domain.id));
    found.configuration = TRY(config.text(tools));
    return found;
}

} // namespace engine
