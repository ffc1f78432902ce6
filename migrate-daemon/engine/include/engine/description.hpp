/// What a stream says of the guest in words (docs/migration-stream.md, "description"): JSON, so that people can read it, and so that what
/// is new in it hurts nobody who does not know it.
///
///     {"schema": 1, "name": "web", "uuid": "…", "way": "cooperative", "store": {"gfn": 18945, "port": 1}, "console": {…},
///      "nodes": {"control/feature-suspend": "1"}, "configuration": {…}}
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "hypervisor/domains.hpp"
#include "hypervisor/suspension.hpp"
#include "outcome/failure.hpp"

namespace engine {

struct Description {
    std::string name;
    std::string uuid;
    hypervisor::Way way = hypervisor::Way::cooperative;
    hypervisor::SharedRing store, console;
    std::map<std::string, std::string> nodes; ///< that the guest wrote into its store, and would not write again
    std::string configuration;                ///< libxl's, as text

    [[nodiscard]] std::string text() const;
    /// `precondition`: it is none, or of a later schema.
    static outcome::Result<Description> from(std::string_view text);
    /// Of a domain that there is.
    static outcome::Result<Description> of(hypervisor::Toolstack const& tools, hypervisor::DomainName const& domain,
                                           hypervisor::Way way);
};

} // namespace engine
