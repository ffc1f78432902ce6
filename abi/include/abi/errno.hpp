/// The one place where the hypervisor's errors become the ABI's numbers (<xen/errno.h>).
#pragma once

#include "base/assert.hpp"
#include "base/error.hpp"

namespace abi {

/// The negative errno that Xen gives for @p error.
constexpr long to_errno(base::Error error) {
    switch (error) {
        using enum base::Error;
    case not_permitted: return -1;
    case not_found: return -2;
    case no_such_domain: return -3;
    case io: return -5;
    case no_such_address: return -6;
    case too_big: return -7;
    case again: return -11;
    case no_memory: return -12;
    case access_denied: return -13;
    case bad_address: return -14;
    case busy: return -16;
    case exists: return -17;
    case no_device: return -19;
    case invalid: return -22;
    case no_space: return -28;
    case out_of_domain: return -33;
    case out_of_range: return -34;
    case not_implemented: return -38;
    case no_data: return -61;
    case not_supported: return -95;
    case no_buffers: return -105;
    case preempted: break; // the dispatcher continues the call instead; it never reaches a guest
    }
    ASSERT(!"an internal error reached the ABI");
    return -22;
}

} // namespace abi
