/* Where a guest begins, and its doors for exceptions and callbacks. Assembly only moves state; guest_trap decides. */

    .text
    .globl guest_entry
guest_entry:
    cld
    lea vcpu_areas + 0x8000(%rip), %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi                          /* start_info */
    call guest_start
    ud2

/* A door: the hypervisor left, from the stack pointer up: rcx, r11, [error code], rip, cs, rflags, rsp, ss. Made into a
 * lib::Trap, in which an error code always stands. */
    .macro DOOR number, has_error
door_\number:
    pop %rcx
    pop %r11
    .if \has_error == 0
    push $0
    .endif
    push $\number
    jmp trap_common
    .endm

    .altmacro
    .macro DOORS_BETWEEN first, end
    .set i, \first
    .rept \end - \first
    .if i == 8 || (i >= 10 && i <= 14) || i == 17 || i == 21
    DOOR %i, 1
    .else
    DOOR %i, 0
    .endif
    .set i, i + 1
    .endr
    .endm

    DOORS_BETWEEN 0, 257                    /* 256: events */
door_257:                                   /* failsafe: has ds, es, fs, gs after r11 */
    pop %rcx
    pop %r11
    pop failsafe_selectors(%rip)
    pop failsafe_selectors + 8(%rip)
    pop failsafe_selectors + 16(%rip)
    pop failsafe_selectors + 24(%rip)
    push $0
    push $257
    jmp trap_common
    DOORS_BETWEEN 258, 261                  /* system calls: 64-bit, 32-bit, SYSENTER */

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
    mov %rsp, %rbx
    pushf
    pop %rsi                                /* as the hypervisor set the flags */
    and $-16, %rsp
    cld
    call guest_trap
    mov %rbx, %rdi

/* [[noreturn]] void leave_trap(Trap*): the iret hypercall. It wants rax, r11, rcx and flags below what a frame ends
 * with; they take the place of what has been popped. */
    .globl leave_trap
leave_trap:
    mov %rdi, %rsp
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
    push $0                                 /* flags: not VGCF_in_syscall */
    push %rcx
    push %r11
    push %rax
    mov $23, %eax                           /* __HYPERVISOR_iret */
    syscall
    ud2

/* [[noreturn]] void raw_iret(std::uint64_t const frame[9]): rax, r11, rcx, flags, rip, cs, rflags, rsp, ss, unchecked. */
    .globl raw_iret
raw_iret:
    mov %rdi, %rsp
    mov $23, %eax
    syscall
    ud2

/* bool run_or_land(void (*code)(void*), void* argument, CalleeSaved*): false when code returns; true if land_on comes first. */
    .globl run_or_land
run_or_land:
    mov %rbx, 0(%rdx)
    mov %rbp, 8(%rdx)
    mov %r12, 16(%rdx)
    mov %r13, 24(%rdx)
    mov %r14, 32(%rdx)
    mov %r15, 40(%rdx)
    mov %rsp, 48(%rdx)
    mov (%rsp), %rax
    mov %rax, 56(%rdx)
    mov %rdi, %rax
    mov %rsi, %rdi
    sub $8, %rsp
    call *%rax
    add $8, %rsp
    xor %eax, %eax
    ret

/* land_on(CalleeSaved*): where guest_trap sends a trap that was expected. */
    .globl land_on
land_on:
    mov 0(%rdi), %rbx
    mov 8(%rdi), %rbp
    mov 16(%rdi), %r12
    mov 24(%rdi), %r13
    mov 32(%rdi), %r14
    mov 40(%rdi), %r15
    mov 48(%rdi), %rsp
    mov 56(%rdi), %rax
    mov %rax, (%rsp)
    mov $1, %eax
    ret

/* What user mode returns to. */
    .globl end_of_user_mode
end_of_user_mode:
    syscall
    ud2

/* Code to send a vCPU to, with any registers (lib/trap.hpp). */
    .macro CODE name, instruction:vararg
    .globl at_\name
at_\name:
    \instruction
    ud2
    .endm
    CODE ud2
    CODE nop, nop
    CODE syscall, syscall
    CODE load_ds, mov %eax, %ds
    CODE xen_cpuid, .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2

    .section .rodata
    .balign 8
    .globl doors
doors:
    .macro ADDRESS_OF number
    .quad door_\number
    .endm
    .set i, 0
    .rept 261
    ADDRESS_OF %i
    .set i, i + 1
    .endr

    .bss
    .balign 8
    .globl failsafe_selectors
failsafe_selectors:
    .skip 32
    .section .note.GNU-stack, "", @progbits
