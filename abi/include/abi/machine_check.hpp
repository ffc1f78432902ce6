/// What domain 0 asks about machine checks (<xen/arch-x86/xen-mca.h>): a hypercall of x86 alone.
#pragma once

#include "abi/xen.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#include <xen/arch-x86/xen-mca.h>
#pragma GCC diagnostic pop

static_assert(XEN_MCA_INTERFACE_VERSION == 0x01ecc003);
