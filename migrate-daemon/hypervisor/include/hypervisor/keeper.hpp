/// What `xl create` leaves behind in the background, for a domain that came another way: it waits for the domain's end, and does what the
/// configuration says (on_poweroff, on_reboot, on_crash).
#pragma once

#include <cstdint>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// Returns when the domain, or the one that was started in its place, is gone for good. In a process of its own.
Result<void> keep(Toolstack const& tools, std::uint32_t domain);

/// The same in a new process, which nobody waits for; what it has to say goes to /var/log/xen/migrate-NAME.log, as xl's does.
Result<void> keep_in_background(std::uint32_t domain, char const* name);

} // namespace hypervisor
