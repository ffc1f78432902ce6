/// The errors of the whole hypervisor, as words. They become the ABI's negative numbers in one place, at the door
/// of a hypercall (`abi/errno.hpp`). docs/error-policy.md says which of the four reactions fits where.
#pragma once

#include <cstdint>

namespace base {

enum class Error : std::uint8_t {
    not_permitted,   ///< EPERM: the caller has no right to this
    not_found,       ///< ENOENT
    no_such_domain,  ///< ESRCH
    io,              ///< EIO
    no_such_address, ///< ENXIO
    too_big,         ///< E2BIG
    again,           ///< EAGAIN: a passing state; the caller may ask again
    no_memory,       ///< ENOMEM
    access_denied,   ///< EACCES: wrong interface version
    bad_address,     ///< EFAULT: a guest pointer that the guest itself could not use so
    busy,            ///< EBUSY
    exists,          ///< EEXIST
    no_device,       ///< ENODEV
    invalid,         ///< EINVAL
    no_space,        ///< ENOSPC
    out_of_domain,   ///< EDOM
    out_of_range,    ///< ERANGE
    not_implemented, ///< ENOSYS
    no_data,         ///< ENODATA
    not_supported,   ///< EOPNOTSUPP
    no_buffers,      ///< ENOBUFS: more to say than there is room for
    preempted,       ///< internal: the operation must be continued; never reaches a guest (SP-9)
};

} // namespace base
