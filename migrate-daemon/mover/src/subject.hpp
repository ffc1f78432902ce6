/// What a journal's entry says of the guest beside the state: how a later process finds it, and what it needs to bring the migration to its end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "hypervisor/domains.hpp"
#include "hypervisor/suspension.hpp"
#include "hypervisor/toolstack.hpp"
#include "migrate/outgoing.hpp"

namespace mover {

struct Subject {
    std::string vm;
    std::string uuid;
    std::uint32_t domain = 0; ///< its number on this host; 0: there is none yet
    hypervisor::Way way = hypervisor::Way::cooperative;
    // A destination's:
    std::string temporary;     ///< what it is called until it is the guest
    std::string configuration; ///< the guest's
    std::string caller;        ///< the source's address
};

/// The kernel's name for this start of the host.
std::string const& boot_id();

nlohmann::json detail_of(Subject const& subject);
/// What an entry does not say stays as it is.
void read_detail(nlohmann::json const& detail, Subject& subject);

/// Where the guest of a journal is; its number, if that was not written yet when the process died that made it.
migrate::Outgoing::Guest find(hypervisor::Toolstack const& tools, Subject& subject, nlohmann::json const& detail);

} // namespace mover
