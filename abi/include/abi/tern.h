/* What tools of domain 0 may ask of Tern that Xen does not know: one hypercall of two arguments, a command and the address
 * of its structure. Plain C, for programs of any kind; <xen/xen.h> comes first. Fields called `unused` are 0; addresses are
 * the caller's, of memory that is there (a hypercall buffer); times are nanoseconds.
 *
 * Answers: 0; -EPERM to any domain but 0, -ENOSYS for a command that is not known, -EFAULT, -ESRCH without such a domain,
 * -ENOENT without such a vCPU. */
#ifndef TERN_ABI_TERN_H
#define TERN_ABI_TERN_H

/* NOLINTBEGIN: this is C, with names like those of Xen's headers */
#include <stdint.h>

#define __HYPERVISOR_tern_op __HYPERVISOR_arch_1

/* struct tern_reservation: in each `period` the vCPU has `slice` nanoseconds of a CPU before all who have reserved
 * nothing; beyond that it goes on by its weight. A slice of 0: none. It stays on one CPU.
 *
 * Set: -EINVAL for less than 100 us, more than the period, or a period of more than 1 s; -ENOSPC if no CPU where it may run
 * has so much left (nine tenths of each can be reserved). Get: fills in period and slice. */
#define TERN_set_reservation 1
#define TERN_get_reservation 2

struct tern_reservation {
    uint16_t domain;
    uint16_t unused; /* 0 */
    uint32_t vcpu;
    uint64_t period;
    uint64_t slice;
};

/* struct tern_record: everything that Tern holds about a domain, as one value (docs/domain-record.md; abi/tern_record.h).
 * Not domain 0, nor another whose frame numbers are the machine's: -EINVAL.
 *
 * Get: the domain must be paused or shut down (else -EBUSY), and stay so. `size`: the room at `buffer`; on return how much
 * of it was written, or with `buffer` 0 how much will do. -ENOBUFS: too little room; `size` then says how much will do.
 *
 * Set: `size` is the record's length. The domain is paused and has never run, has as many vCPUs, and has all of its memory, with
 * its contents, under the same numbers; nobody has its page tables mapped writable. On any error it is as it was, empty; but
 * what the toolstack had seeded in its grant table is gone, if it was to be transparent.
 *   -EBUSY       it is not paused, or has a vCPU with a context; or (transparent) somebody has bound to a port of it, or mapped a
 *                grant, that the record says otherwise of
 *   -EINVAL      no record, or one that contradicts itself; or its page tables are not what it says
 *   -EOPNOTSUPP  a version, or a section that is not optional, that this Tern does not know; grants that it had mapped
 *   -ENODEV      this CPU lacks what the guest has been told it has
 *   -ERANGE      the domain's limits (vCPUs, ports, grants) are narrower than the record's
 *   -ENODATA     the domain has not as many frames as the record says
 *   -ENOSPC      its reservations of CPU time do not fit any more
 *   -ENOMEM */
#define TERN_get_record 3
#define TERN_set_record 4

/* Set: the guest knows that it has moved, since it suspended itself (docs/abi.md §8.1). It gets contexts, tables, limits and
 * assists; event channels, grants, registered areas, timers and clocks are the new domain's, fresh. */
#define TERN_RECORD_cooperative 1
/* Set, not cooperative: the guest's clock goes on where it was. Otherwise the time that has gone by since is counted,
 * by the two hosts' clocks of the day. */
#define TERN_RECORD_clock_stood 2

struct tern_record {
    uint16_t domain;
    uint16_t flags;  /* TERN_RECORD_*; get: 0 */
    uint32_t unused; /* 0 */
    uint64_t size;
    uint64_t buffer; /* its address */
};

/* struct tern_hollow: takes out of a paused domain that never ran what its builder put there: the contexts of its vCPUs, which
 * are down again, and the tables among its frames, which are plain memory again. Its event channels, grants and numbers
 * stay. -EBUSY if it is not paused, -EINVAL if it has run, or is the caller's own. */
#define TERN_hollow_out 5

struct tern_hollow {
    uint16_t domain;
    uint16_t unused[3]; /* 0 */
    uint64_t cursor;    /* 0; where a continued call goes on */
};

/* struct tern_swap: two frames of a domain as it is after TERN_hollow_out change places. Whoever has one of them mapped keeps it
 * under its new number: so the pages that back ends have mapped come to lie where a domain of another host has them.
 * -ENOENT if there is no such frame; otherwise as above, and -EBUSY also if a vCPU has a context. */
#define TERN_swap_frames 11

struct tern_swap {
    uint16_t domain;
    uint16_t unused[3]; /* 0 */
    uint64_t one, other;
};

/* struct tern_pages: whole pages of a translated domain's RAM, by its own frame numbers, without a mapping of them.
 *
 * Write: the domain is paused, else -EBUSY. The pages at `data`, or zeroes if that is 0, become the contents of the frames
 * `gfns`. Nothing is populated. A domain that is tracked has them dirty.
 * Read: the domain may run, and each page may be of another moment.
 *
 * Of each page its result: 0, -ENOENT without such a frame, -EINVAL for a special page, -EBUSY (write) for one that is a page
 * table or has descriptors. With `results` 0 the first that fails ends the call, which answers so. `done` says how many pages
 * were dealt with, from the first on: after a call that did not answer 0, too. Set it to 0 before.
 * -EINVAL: flags that are not 0, or no translated domain, or the caller's own. */
#define TERN_write_pages 6
#define TERN_read_pages 10

struct tern_pages {
    uint16_t domain;
    uint16_t flags; /* 0 */
    uint32_t count;
    uint32_t done;
    uint32_t unused;
    uint64_t gfns;    /* address of uint64_t[count] */
    uint64_t data;    /* address of count pages */
    uint64_t results; /* address of int32_t[count], or 0 */
};

/* struct tern_stamps: this host's clocks, and when a domain ran by them: what a downtime is measured with. System time counts
 * from the host's start; 0 stands for never.
 *
 * last_ran: when one of its vCPUs last left a CPU; of a domain that is paused or has shut down, the moment of its last
 * instruction. first_ran: when one first came to a CPU, after it was made or after its last pause or shutdown ended; 0: none has,
 * since. paused_since, shut_down_since: 0 unless it is so now.
 *
 * A guest that suspends itself stops its clock before it stops, and sets it going after it runs again. It stops its single-shot timer with it:
 * timer_stopped: when one of its vCPUs last did, if none has set one since, else 0. timer_set: when one first did after the domain was
 * made or its last pause or shutdown ended; 0: none has, since. */
#define TERN_get_stamps 7

struct tern_stamps {
    uint16_t domain;
    uint16_t unused[3];
    uint64_t now; /* of one moment: system time, */
    uint64_t tsc; /* the processor's counter, */
    uint32_t tsc_khz;
    uint32_t wall_nanoseconds; /* and UTC */
    uint64_t wall_seconds;
    uint64_t last_ran;
    uint64_t first_ran;
    uint64_t paused_since;
    uint64_t shut_down_since;
    uint64_t timer_stopped;
    uint64_t timer_set;
};

/* struct tern_track: what a translated domain writes is found from now on, or no more. By its page tables' dirty bits; or, to compare
 * with, by a fault at the first write to each page. -EINVAL if it is tracked already, -ENOMEM. */
#define TERN_track 8

#define TERN_TRACK_off 0
#define TERN_TRACK_harvest 1
#define TERN_TRACK_write_protect 2

struct tern_track {
    uint16_t domain;
    uint16_t mode; /* TERN_TRACK_* */
    uint32_t unused;
    uint64_t stopped; /* told: for how long the domain stood still */
};

/* struct tern_harvest: which frames were written since they were last taken, of `count` from `first` on. When it answers, they may
 * be read; whoever starts tracking reads all of them once after that. One caller at a time.
 *
 * Frames that other domains may write to at this moment, by mappings of their own, are told in `foreign`, whether they do or not; if that
 * is 0, they count as dirty. -EINVAL: a flag that is not known, `first` is no multiple of 64, or there is no harvest to read on in;
 * -ENODATA: it is not tracked. */
#define TERN_harvest 9

#define TERN_HARVEST_clean 1  /* what is told is taken; without it, it is told again */
#define TERN_HARVEST_same 2   /* nothing is collected: more of what the last call has collected, or the same once more */
#define TERN_HARVEST_zeroed 4 /* the bitmaps are zero: only what has a bit set is written */

struct tern_harvest {
    uint16_t domain;
    uint16_t flags; /* TERN_HARVEST_* */
    uint32_t unused;
    uint64_t first;
    uint64_t count;   /* told: how many of them the domain has */
    uint64_t bitmap;  /* address, or 0 */
    uint64_t foreign; /* address of another, or 0 */
    uint64_t heat;    /* address of uint8_t for each 2 MiB that the range touches, or 0: 0 cold, 255 dirty in each harvest */
    /* Told, of the range: */
    uint64_t dirty;
    uint64_t foreign_frames;
    /* and of the whole harvest: */
    uint64_t number;       /* from 1 on, since tracking began */
    uint64_t tables;       /* visited */
    uint64_t entries;      /* read */
    uint64_t leaves;       /* found dirty */
    uint64_t write_faults; /* of the guest, since the one before */
    uint64_t nanoseconds;  /* of collecting */
    uint64_t flush_nanoseconds;
};

/* struct tern_suspend_port: `port`, one of the caller's that waits for the domain to bind to it, is raised when that next suspends itself
 * (SHUTDOWN_suspend): once, and in place of VIRQ_DOM_EXC, so that nobody else has work to do while a guest stands still. 0: no port,
 * from now on. If the port is no more when it happens, there is VIRQ_DOM_EXC. Whether it has happened already, the caller looks
 * afterwards. -EINVAL: no such port; or the domain is the caller's own. */
#define TERN_set_suspend_port 12

struct tern_suspend_port {
    uint16_t domain;
    uint16_t unused; /* 0 */
    uint32_t port;
};
/* NOLINTEND */

#endif
