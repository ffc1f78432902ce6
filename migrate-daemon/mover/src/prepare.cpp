#include "prepare.hpp"

#include "json/text.hpp"

namespace mover {

using nlohmann::json;
using outcome::fail;
using outcome::Kind;

std::string text_of(Preparation const& preparation) {
    json runs = json::array();
    for (auto const& run : preparation.layout.runs())
        runs.push_back({run.first.raw(), run.count});
    return json_text::line({{"description", json_text::parse(preparation.description.text())}, {"layout", runs}});
}

outcome::Result<Preparation> preparation_from(std::string_view text) try {
    auto const parsed = json_text::parse(text);
    Preparation read{.description = TRY(engine::Description::from(json_text::line(parsed.at("description")))),
                     .layout = {}};
    for (auto const& run : parsed.at("layout"))
        if (!read.layout.append(migrate::Gfn{run.at(0).get<std::uint64_t>()}, run.at(1).get<std::uint64_t>()))
            return fail(Kind::precondition, "the layout of its memory is malformed");
    return read;
} catch (json::exception const& error) {
    return fail(Kind::precondition, std::string{"what was said of the domain is malformed: "} + error.what());
}

} // namespace mover
