/// Grant tables, version 1. A domain may map its own grants; so one guest sees both sides.
#pragma once

#include <cstdint>

#include "lib/guest.hpp"
#include "lib/memory.hpp"

namespace lib {

inline constexpr unsigned kGrantFrames = 2;
inline constexpr unsigned kGrants = kGrantFrames * kPageSize / sizeof(grant_entry_v1_t);

/// An entry of the guest's grant table, which is mapped the first time it is asked for.
grant_entry_v1_t volatile& grant(grant_ref_t ref);

/// One operation each. What it answers is in the request's status.
gnttab_map_grant_ref_t map_grant(grant_ref_t ref, std::uint64_t where, unsigned flags = GNTMAP_host_map,
                                 domid_t dom = self());
std::int16_t unmap_grant(std::uint64_t where, grant_handle_t handle);

} // namespace lib
