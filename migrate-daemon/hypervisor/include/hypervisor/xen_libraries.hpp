/// The headers of Xen's libraries, which are C, and GNU C at that: they refuse a compiler that says it is strict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma push_macro("__STRICT_ANSI__")
#undef __STRICT_ANSI__
extern "C" {
#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xentoollog.h>
}
#pragma pop_macro("__STRICT_ANSI__")
#pragma GCC diagnostic pop

namespace hypervisor {

inline constexpr std::size_t kPageSize = XC_PAGE_SIZE;

} // namespace hypervisor
