/// What every guest has: its start_info, shared_info, and an end.
#pragma once

#include <cstdint>
#include <string_view>

#include "abi/xen.hpp"
#include "lib/console.hpp"
#include "lib/hypercall.hpp"

namespace lib {

/// As the hypervisor's domain builder wrote it.
start_info_t& startup();
/// Mapped by guest_start() over a page of the guest's own.
shared_info_t& shared();
std::string_view command_line();

enum class Verdict : std::uint32_t { passed = SHUTDOWN_poweroff, failed = SHUTDOWN_crash };
[[noreturn]] void shut_down(Verdict verdict);

} // namespace lib
