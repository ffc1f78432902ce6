/// What Xen's tools ask: domctl and sysctl (<xen/domctl.h>, <xen/sysctl.h>). Not for guests' eyes, and a large header:
/// only the handlers and their tests include it.
#pragma once

#include "abi/xen.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
// One of the headers below refuses to be read as strict ISO C++; it only uses anonymous structures.
#pragma push_macro("__STRICT_ANSI__")
#undef __STRICT_ANSI__
#include <xen/domctl.h>
#include <xen/sysctl.h>
#pragma pop_macro("__STRICT_ANSI__")
#pragma GCC diagnostic pop

static_assert(sizeof(xen_domctl_t) == 144);
static_assert(sizeof(xen_domctl_getdomaininfo_t) == 112);
static_assert(sizeof(xen_sysctl_t) == 136);
static_assert(XEN_DOMCTL_INTERFACE_VERSION == 0x15 && XEN_SYSCTL_INTERFACE_VERSION == 0x15);
