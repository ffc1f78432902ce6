/* The domain record, as TERN_get_record writes and TERN_set_record reads it: docs/domain-record.md says what everything means.
 * Plain C, for programs of any kind; <xen/xen.h> comes first. All numbers are little-endian.
 *
 *     tern_record_header
 *     tern_record_section, payload, zeroes up to a multiple of 8
 *     tern_record_section, payload, ...
 */
#ifndef TERN_ABI_TERN_RECORD_H
#define TERN_ABI_TERN_RECORD_H

/* NOLINTBEGIN: this is C, with names like those of Xen's headers */
#include <stdint.h>

#define TERN_RECORD_MAGIC 0x444345524e524554ULL
#define TERN_RECORD_VERSION 1
#define TERN_RECORD_NONE 0xffffffffffffffffULL /* no time, no frame */

struct tern_record_header {
    uint64_t magic;
    uint32_t version;
    uint32_t sections;
    uint64_t length; /* of all, this included */
};

/* Sections come in rising order of (type without the optional bit, index), each pair at most once. */
struct tern_record_section {
    uint32_t type;   /* TERN_RECORD_S_* */
    uint32_t index;  /* the vCPU, or 0 */
    uint64_t length; /* of the payload */
};

#define TERN_RECORD_S_OPTIONAL 0x80000000 /* who does not know it leaves it out */
#define TERN_RECORD_S_domain 1
#define TERN_RECORD_S_cpu 2
#define TERN_RECORD_S_time 3
#define TERN_RECORD_S_memory_map 4     /* tern_record_range each */
#define TERN_RECORD_S_vcpu 5           /* each vCPU; then its vcpu_guest_context, if it has one */
#define TERN_RECORD_S_extended_state 6 /* each vCPU with a context: tern_record_extended_state, then an XSAVE area */
#define TERN_RECORD_S_timers 7         /* each vCPU */
#define TERN_RECORD_S_areas 8          /* each vCPU */
#define TERN_RECORD_S_channels 9       /* tern_record_channels, then tern_record_channel each */
#define TERN_RECORD_S_shared_info 10   /* the page */
#define TERN_RECORD_S_grants 11        /* tern_record_grants, then its frames */
#define TERN_RECORD_S_tables 12        /* tern_record_tables, then a TERN_RECORD_TABLE each */

struct tern_record_domain {
    uint8_t handle[16];
    uint32_t vcpus;
    uint32_t address_size; /* 64 */
    uint64_t vm_assist;
    uint64_t max_pages;
    uint32_t max_ports; /* port 0 counts */
    uint32_t max_grant_version;
    uint32_t max_grant_frames;
    uint32_t max_maptrack_frames;
    uint32_t mapped_grants; /* grants of others that it had mapped */
    uint32_t shut_down;     /* 0, 1 */
    uint32_t shutdown_code; /* SHUTDOWN_*, or ~0 */
    uint16_t weight;
    uint16_t cap;
};

#define TERN_RECORD_FEATURE_WORDS 12

struct tern_record_cpu {
    uint32_t vendor[3]; /* EBX, EDX, ECX of CPUID 0 */
    uint32_t signature; /* EAX of CPUID 1 */
    uint64_t xcr0;      /* all that a guest could set there */
    uint32_t xsave_size;
    uint32_t unused;                              /* 0 */
    uint32_t features[TERN_RECORD_FEATURE_WORDS]; /* as XEN_SYSCTL_get_cpu_featureset of a PV guest */
};

struct tern_record_time {
    uint64_t system_time; /* as the guest computes it: ns */
    uint64_t tsc;         /* at that moment */
    uint64_t tsc_khz;
    uint64_t wall_seconds; /* UTC at that moment, since 1970 */
    uint32_t wall_nanoseconds;
    uint32_t tsc_stable; /* 0, 1 */
};

struct tern_record_range {
    uint64_t address;
    uint64_t size;
    uint32_t type;   /* E820 */
    uint32_t unused; /* 0 */
};

struct tern_record_vcpu {
    uint32_t flags; /* TERN_RECORD_V_* */
    uint32_t io_bitmap_ports;
    uint64_t io_bitmap;
    uint64_t syscall32_callback;
    uint64_t sysenter_callback;
    uint64_t tsc_aux;
    uint64_t reserved_period; /* ns; 0: nothing is reserved */
    uint64_t reserved_slice;
};
#define TERN_RECORD_V_initialised 1 /* it has a context, which follows */
#define TERN_RECORD_V_up 2
#define TERN_RECORD_V_blocked 4 /* waits for an event */
#define TERN_RECORD_V_polling 8 /* in SCHEDOP_poll */
#define TERN_RECORD_V_in_nmi 0x10
#define TERN_RECORD_V_nmi_pending 0x20
#define TERN_RECORD_V_syscall32_masks 0x40
#define TERN_RECORD_V_sysenter_masks 0x80
#define TERN_RECORD_V_fs_base_by_selector 0x100 /* its bases are still to be taken from its selectors */
#define TERN_RECORD_V_gs_base_by_selector 0x200
#define TERN_RECORD_V_other_gs_base_by_selector 0x400

struct tern_record_extended_state {
    uint64_t xcr0;
};

struct tern_record_timers {
    uint64_t singleshot; /* the guest's system time in ns at which it fires, or TERN_RECORD_NONE */
    uint64_t periodic;
    uint64_t period;
    uint64_t poll;
    uint32_t runstate; /* RUNSTATE_* */
    uint32_t unused;   /* 0 */
    uint64_t runstate_since;
    uint64_t runstate_times[4];
};

struct tern_record_areas {
    uint64_t vcpu_info_gfn; /* or TERN_RECORD_NONE: it is in shared_info, or nowhere */
    uint32_t vcpu_info_offset;
    uint32_t time_version; /* of what the time area shows */
    uint64_t runstate;     /* addresses; 0: none */
    uint64_t time;
};

struct tern_record_channels {
    uint32_t limit;  /* the first port that there is not, yet */
    uint32_t unused; /* 0 */
};

/* Ports that are not free, in rising order. */
struct tern_record_channel {
    uint32_t port;
    uint8_t state; /* EVTCHNSTAT_unbound, interdomain, virq, ipi */
    uint8_t priority;
    uint16_t vcpu;
    uint32_t number; /* the other domain (DOMID_SELF: itself), or the VIRQ */
    uint32_t peer;   /* interdomain: its port */
};

struct tern_record_grants {
    uint32_t version;
    uint32_t frames;
};

struct tern_record_tables {
    uint64_t pages; /* frames of memory that the domain has */
};

/* A frame that is a table: its number, its level (1..4), and whether it is pinned. In rising order. */
#define TERN_RECORD_TABLE_gfn(entry) ((entry)&0xffffffffffULL)
#define TERN_RECORD_TABLE_level(entry) ((entry) >> 56 & 7)
#define TERN_RECORD_TABLE_pinned(entry) ((entry) >> 63)
#define TERN_RECORD_TABLE(gfn, level, pinned) ((gfn) | (0ULL + (level)) << 56 | (0ULL + (pinned)) << 63)
/* NOLINTEND */

#endif
