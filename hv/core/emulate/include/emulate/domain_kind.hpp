/// What the policies of this room need to know about a domain.
#pragma once

#include <cstdint>

namespace emulate {

enum class DomainKind : std::uint8_t {
    translated, ///< Gfn == Pfn: it can move to another host, so it sees nothing that is only this host's
    direct,     ///< Gfn == Mfn
    hardware,   ///< dom0: direct, and it drives the machine's devices
};

} // namespace emulate
