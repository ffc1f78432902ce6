/// Which domains there are, and what they are doing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

struct DomainName {
    std::uint32_t id = 0;
    std::string name;
    std::string uuid; ///< in lower case, with dashes
};

/// A running domain by name, number or UUID, as xl and virsh take them. `precondition` if there is none, or it is domain 0.
Result<DomainName> find_domain(Toolstack const& tools, std::string_view text);

struct DomainState {
    bool paused = false;
    bool dying = false;
    bool shut_down = false;
    unsigned shutdown_reason = 0; ///< SHUTDOWN_*, if shut_down
    std::uint64_t pages = 0;      ///< that it holds
    std::uint32_t vcpus = 0;
};

/// `failed`: there is no such domain any more.
Result<DomainState> state_of(Toolstack const& tools, std::uint32_t domain);

/// Whether it is gone, dying, or has shut down.
bool is_over(Toolstack const& tools, std::uint32_t domain);

/// The store's path of @p path below that of @p domain.
std::string node(std::uint32_t domain, std::string_view path);
/// What stands there; empty if nothing does.
std::string read_node(Toolstack const& tools, std::uint32_t domain, std::string_view path);
/// The names of what is below it.
std::vector<std::string> child_nodes(Toolstack const& tools, std::uint32_t domain, std::string_view path);
Result<void> write_node(Toolstack const& tools, std::uint32_t domain, std::string_view path, std::string_view value);

/// A page that a back end in domain 0 shares with the domain, and the event channel beside it.
struct SharedRing {
    std::uint64_t gfn = 0;
    std::uint32_t port = 0;
};

/// The rings of xenstored and xenconsoled, by the store's nodes `store/` and `console/`.
Result<SharedRing> ring_of(Toolstack const& tools, std::uint32_t domain, std::string_view which);

} // namespace hypervisor
