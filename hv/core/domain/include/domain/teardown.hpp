/// The end of a domain (XEN_DOMCTL_destroydomain): everything that it had goes back, scrubbed, however it ended.
///
/// In steps, each of which may be preempted; tear_down() is called again until it is through:
///
///   die        nobody finds the domain any more, but who asks how it is; its vCPUs are stopped
///   detach     vCPUs give up roots, descriptors, timers; ports are closed
///   release    what it had mapped by grants
///   free       its frames, tables first undone; then the tree of their numbers
///   linger     others may still map frames that it granted: they end that in their own time
///   gone       its id is free; its structures are freed once every CPU has been outside of the hypervisor
///
/// Frames that others have mapped stay theirs until they let go (SP-2). So an id is used again only when nothing is charged
/// to it (create()).
#pragma once

#include "base/function_ref.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"

namespace domain {

/// Ends the uses that a domain has of others' frames: the grants' part, which needs to know the callers' world.
using ReleaseGrants = base::FunctionRef<base::Status(Domain&)>;

/// Goes on ending @p domain, which is not domain 0. When it answers ok, the domain holds no memory but what others have
/// mapped; it may be gone, and is not to be touched. `preempted`: call again.
[[nodiscard]] base::Status tear_down(Domain& domain, ReleaseGrants release_grants);

/// Frees the domains that only lingered. Whoever ended a use of another's frame calls it, with no lock held and no
/// pointer to a domain but the caller's own.
void bury_the_dead(System& system);

/// The step "detach" for one vCPU, which is off its CPU: what its context had taken, and its timers. `preempted`: call again.
[[nodiscard]] base::Status detach(Vcpu& vcpu);

} // namespace domain
