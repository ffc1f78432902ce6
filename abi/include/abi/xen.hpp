/// Xen's public headers (libxen-dev, MIT), included and never retyped, with the layouts that Tern relies on asserted.
#pragma once

#include <cstddef>
#include <cstdint>

// The headers are C: they use old-style casts and their own idea of names.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wpedantic"
#define __XEN_INTERFACE_VERSION__ 0x00040e00 // the latest that the 4.17 headers define
#define __XEN_TOOLS__ 1                      // with what the toolstack sees (abi/toolstack.hpp)
#include <xen/xen.h>

#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#pragma GCC diagnostic pop

static_assert(sizeof(start_info_t) == 1168);
static_assert(sizeof(vcpu_info_t) == 64);
static_assert(sizeof(vcpu_guest_context_t) == 5168);
static_assert(offsetof(shared_info_t, evtchn_pending) == 0x800);
static_assert(offsetof(shared_info_t, evtchn_mask) == 0xa00);
static_assert(offsetof(shared_info_t, wc_version) == 0xc00);
static_assert(sizeof(trap_info_t) == 16);
static_assert(sizeof(mmu_update_t) == 16);
static_assert(sizeof(mmuext_op) == 24);
static_assert(sizeof(multicall_entry) == 64);
static_assert(sizeof(gnttab_map_grant_ref_t) == 32);
static_assert(sizeof(gnttab_unmap_grant_ref_t) == 24);
static_assert(sizeof(gnttab_copy_t) == 40);
static_assert(sizeof(vcpu_runstate_info_t) == 48);
static_assert(sizeof(vcpu_time_info_t) == 32);
