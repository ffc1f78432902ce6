/* For a guest of the older kind: a page that the hypervisor fills with one stub of 32 bytes for each hypercall. */
    .include "note.inc"
    NOTE 2, .quad hypercall_page                                /* HYPERCALL_PAGE */
    .section .hypercall_page, "awx", @progbits
    .balign 4096
    .globl hypercall_page
hypercall_page:
    .skip 4096
    .section .note.GNU-stack, "", @progbits
