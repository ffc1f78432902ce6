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
/// The word after @p key, as "hz=", on the command line; empty if there is none.
std::string_view option(std::string_view key);
/// Else a domU, made by the toolstack.
bool is_dom0();
/// @p answer for dom0; another domain is told that it may not.
inline std::int64_t unless_domu(std::int64_t answer) { return is_dom0() ? answer : std::int64_t{kEPERM}; }
/// The domain's own number, for which DOMID_SELF will not do: in grant entries, and in what the hypervisor answers.
domid_t self();

enum class Verdict : std::uint32_t { passed = SHUTDOWN_poweroff, failed = SHUTDOWN_crash };
[[noreturn]] void shut_down(Verdict verdict);

} // namespace lib
