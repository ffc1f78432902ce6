/// Giving memory to a domain and taking it back, by the domain's own frame numbers (SP-2, SP-27).
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"

namespace domain {

/// Extents of up to 2 MiB: as large as Linux and libxc ask for.
inline constexpr unsigned kLargestExtentOrder = 9;

mm::Quota& quota(Domain& domain);

/// Takes 2^@p order frames from @p first on out of @p domain: they can be reached by no new entry from now on, and each is
/// freed with its last mapping. Pins of theirs are undone. Error::invalid at the first that is not the domain's: those
/// before it are gone. Error::preempted: none is gone yet.
[[nodiscard]] base::Status give_up_extent(Domain& domain, base::Gfn first, unsigned order);

/// Adds 2^@p order zeroed frames as pseudo-physical frames @p pfn and on, below 2^@p address_bits bytes (0: anywhere). An
/// invalid @p pfn: a direct domain will say itself what they are; a translated one gets the numbers after its highest.
/// Answers the first frame's number: for a direct domain they are consecutive machine frames.
[[nodiscard]] base::Result<base::Gfn> add_extent(Domain& domain, base::Pfn pfn, unsigned order, unsigned address_bits);

/// One chunk of XENMEM_exchange: 2^order frames given, as many taken, in extents of their own orders.
struct ExchangeChunk {
    unsigned order = 0;
    unsigned in_order = 0;
    unsigned out_order = 0;
    unsigned address_bits = 0;
    base::Vaddr in;  ///< the caller's array of first gfns
    base::Vaddr out; ///< the caller's array: first pfns in, first gfns out
};

/// Exchanges whole or not at all: on an error nothing has changed, except Error::bad_address, by which the caller lost
/// only (part of) the answer. Error::invalid for a frame that is not the domain's, or that something still uses.
/// @p caller's memory holds the arrays.
[[nodiscard]] base::Status exchange_chunk(Vcpu& caller, Domain& domain, ExchangeChunk const& chunk);

} // namespace domain
