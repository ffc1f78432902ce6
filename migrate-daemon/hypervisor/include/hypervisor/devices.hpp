/// The devices that a guest has by split drivers, as the store tells of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// Their front ends: paths below the domain's, such as `device/vif/0`.
std::vector<std::string> front_ends(Toolstack const& tools, std::uint32_t domain);

/// Whether all of @p front_ends say that they are connected (XenbusStateConnected, io/xenbus.h).
bool connected(Toolstack const& tools, std::uint32_t domain, std::vector<std::string> const& front_ends);

/// Waits until all of a domain's are. False: not within @p patience, or it has stopped.
bool await_connected(Toolstack const& tools, std::uint32_t domain, std::chrono::milliseconds patience);

} // namespace hypervisor
