/* For a guest that, as Linux, wants the list of its frames in a place of its own and not after the kernel. */
    .include "note.inc"
    NOTE 15, .quad 0x8000000000                                 /* INIT_P2M */
    .section .note.GNU-stack, "", @progbits
