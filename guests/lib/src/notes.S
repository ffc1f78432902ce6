/* What every guest says of itself to the domain builder. */
    .include "note.inc"
    NOTE 1, .quad guest_entry                                   /* ENTRY */
    NOTE 3, .quad 0xffffffff80000000                            /* VIRT_BASE */
    NOTE 4, .quad 0                                             /* PADDR_OFFSET */
    NOTE 5, .asciz "xen-3.0"                                    /* XEN_VERSION */
    NOTE 6, .asciz "tern-guest"                                 /* GUEST_OS */
    NOTE 8, .asciz "generic"                                    /* LOADER */
    NOTE 9, .asciz "yes"                                        /* PAE_MODE */
    NOTE 10, .asciz "!writable_page_tables|pae_pgdir_above_4gb" /* FEATURES */
    NOTE 17, .long 1 << 11                                      /* SUPPORTED_FEATURES: may be dom0 */
    .section .note.GNU-stack, "", @progbits
