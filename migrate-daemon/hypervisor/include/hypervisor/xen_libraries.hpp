/// The headers of Xen's libraries, which are C, and GNU C at that.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"
extern "C" {
#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xentoollog.h>
}
#pragma GCC diagnostic pop

namespace hypervisor {

inline constexpr std::size_t kPageSize = XC_PAGE_SIZE;

} // namespace hypervisor
