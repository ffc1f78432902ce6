/* What tools of domain 0 may ask of Tern that Xen does not know: one hypercall of two arguments, a command and the address
 * of its structure. Plain C, for programs of any kind; <xen/xen.h> comes first.
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
/* NOLINTEND */

#endif
