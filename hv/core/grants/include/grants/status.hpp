/// What a grant operation answers, as words; they become the ABI's numbers here and nowhere else.
#pragma once

#include <cstdint>

#include "abi/xen.hpp"
#include "base/result.hpp"

namespace grants {

enum class Fault : std::uint8_t {
    general_error,
    bad_domain,
    bad_ref,    ///< no such grant reference
    bad_handle, ///< no such mapping
    bad_virtual_address,
    bad_device_address,
    no_space, ///< no free handle
    permission_denied,
    bad_page, ///< the granter has no such frame
    bad_copy_argument,
    address_too_big,
    again, ///< in use
};

template <typename T> using Result = base::Result<T, Fault>;
using Status = Result<void>;

/// The `status` of <xen/grant_table.h> for @p fault.
constexpr std::int16_t to_abi(Fault fault) {
    switch (fault) {
        using enum Fault;
    case general_error: return GNTST_general_error;
    case bad_domain: return GNTST_bad_domain;
    case bad_ref: return GNTST_bad_gntref;
    case bad_handle: return GNTST_bad_handle;
    case bad_virtual_address: return GNTST_bad_virt_addr;
    case bad_device_address: return GNTST_bad_dev_addr;
    case no_space: return GNTST_no_device_space;
    case permission_denied: return GNTST_permission_denied;
    case bad_page: return GNTST_bad_page;
    case bad_copy_argument: return GNTST_bad_copy_arg;
    case address_too_big: return GNTST_address_too_big;
    case again: return GNTST_eagain;
    }
    return GNTST_general_error;
}

template <typename T> constexpr std::int16_t to_abi(Result<T> const& result) {
    return result.ok() ? std::int16_t{GNTST_okay} : to_abi(result.error());
}

} // namespace grants
