/// The life of a domain: it is made, it runs, it ends.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/number.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"

namespace domain {

struct CreateRequest {
    base::DomId id;
    bool privileged = false;
    mm::Translation translation = mm::Translation::translated;
    std::uint32_t vcpus = 1;
    std::uint64_t max_pages = 0;
    std::uint32_t channels = events::kPorts; ///< at least 1: port 0 is one of them, and never used
    grants::Grants::Limits grants{};
};

/// An empty domain: no memory, all vCPUs down. Error::exists if the id is taken, no_memory; nothing is left half-made.
[[nodiscard]] base::Result<Domain*> create(System& system, CreateRequest const& request);

/// How far the pool of @p domain's shadows may grow if it may have @p memory pages.
void set_shadow_limit(Domain& domain, std::uint64_t memory);

/// Frees what create() made, once the domain has nothing any more and nobody can have found it (domain/teardown.hpp).
void destroy(Domain& domain);

/// Raises VIRQ_DOM_EXC for domain 0: its xenstored looks who has shut down, or is dying or gone.
void tell_of_end(System& system);

/// The time of day when system time was 0, for all domains.
void set_wall_clock(System& system, timing::WallTime at_boot);
/// Tells @p domain again: a toolstack clears the shared page before it starts a domain.
void tell_wall_clock(Domain& domain);

/// Stops all of the domain's vCPUs until as many unpause() have come. Whoever needs to know that none runs asks stopped().
void pause(Domain& domain);
/// Error::invalid: it is not paused.
[[nodiscard]] base::Status unpause(Domain& domain);

/// SCHEDOP_shutdown: the domain says that it has ended, and why (SHUTDOWN_*). Its vCPUs run no more, and domain 0 is told
/// (VIRQ_DOM_EXC). For domain 0 itself the machine is powered off or restarted.
void shut_down(Domain& domain, std::uint32_t reason);

/// Ends shut_down(): the domain's vCPUs go on where they were. Nothing if it has not shut down.
void resume(Domain& domain);

/// The domain did what it cannot go on after, or what the hypervisor cannot repair: says @p why on the console with
/// the vCPU's state, and shuts it down (SHUTDOWN_crash). @p live: the registers of the vCPU that this CPU runs.
void crash(Domain& domain, std::string_view why, arch::Registers const& live);

} // namespace domain
