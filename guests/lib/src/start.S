/* What a PV kernel says of itself, where it begins, and its doors for exceptions. Assembly only moves state. */

    .macro NOTE type, data:vararg
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  \data
2:  .balign 4
    .endm

    .section .notes, "a", @note
    NOTE 1, .quad guest_entry               /* ENTRY */
    NOTE 3, .quad 0xffffffff80000000        /* VIRT_BASE */
    NOTE 4, .quad 0                         /* PADDR_OFFSET */
    NOTE 5, .asciz "xen-3.0"                /* XEN_VERSION */
    NOTE 6, .asciz "tern-guest"             /* GUEST_OS */
    NOTE 8, .asciz "generic"                /* LOADER */
    NOTE 9, .asciz "yes"                    /* PAE_MODE */
    NOTE 10, .asciz "!writable_page_tables|pae_pgdir_above_4gb" /* FEATURES */
    NOTE 17, .long 1 << 11                  /* SUPPORTED_FEATURES: may be dom0 */

    .text
    .globl guest_entry
guest_entry:
    cld
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi                          /* start_info */
    call guest_start
    ud2

/* Exceptions. The hypervisor's frame, from the top: rcx, r11, [error code], rip, cs, rflags, rsp, ss. Made into a
 * lib::Trap, in which an error code always stands. */
    .macro TRAP_DOOR vector, has_error
trap_door_\vector:
    pop %rcx
    pop %r11
    .if \has_error == 0
    push $0
    .endif
    push $\vector
    jmp trap_common
    .endm

    .altmacro
    .set i, 0
    .rept 256
    .if i == 8 || (i >= 10 && i <= 14) || i == 17 || i == 21
    .set has_error, 1
    .else
    .set has_error, 0
    .endif
    .macro ONE vector, has_error
    TRAP_DOOR \vector, \has_error
    .endm
    ONE %i, %has_error
    .purgem ONE
    .set i, i + 1
    .endr

trap_common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    cld
    call guest_trap
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp                           /* vector, error code */
/* The iret hypercall takes rax, r11, rcx and flags from below what the frame ends with. */
    push $0
    push %rcx
    push %r11
    push %rax
    mov $23, %eax                           /* __HYPERVISOR_iret */
    syscall
    ud2

    .section .rodata
    .globl trap_doors
    .balign 8
trap_doors:
    .set i, 0
    .rept 256
    .macro ENTRY_OF vector
    .quad trap_door_\vector
    .endm
    ENTRY_OF %i
    .purgem ENTRY_OF
    .set i, i + 1
    .endr

    .bss
    .balign 4096
    .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
