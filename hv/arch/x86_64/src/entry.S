/* The doors into the hypervisor and out of it. Here state is only moved: C++ decides.
 *
 *   from a guest            the frame is built at the top of this CPU's stack, which is at one address on every CPU;
 *                           on_guest_exit() may change it or put another vCPU's there; the CPU goes on from it
 *   from the hypervisor     (an idle CPU's interrupt, a fault with a fixup) the frame is wherever the stack is
 *   NMI, double fault, machine check, debug trap in the hypervisor: on stacks of their own, for these may come between
 *                           any two instructions, also before the first of syscall_entry has moved RSP
 *
 * Nothing here depends on GS, and no value that decides RSP is read from writable memory but the guest's own. */
#include "x86/asm_layout.h"

    .section .text.entry, "ax", @progbits

/* All registers, in the order of arch::Registers; then none of the guest's values is left for us to speculate with. */
.macro SAVE_REGISTERS
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
.endm

.macro RESTORE_REGISTERS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
.endm

/* The slot of error code and vector, for who has no error code. */
.macro PUSH_VECTOR vector
    push $0
    movl $\vector, 4(%rsp)
.endm

/* Room for CLAC, which start of day writes here where the CPU has SMAP: a guest may come in with AC set. */
.macro CLAC_SITE
9:  nopl (%rax)
    .pushsection .clac_sites, "a"
    .balign 4
    .long 9b - .
    .popsection
.endm

/* --- system calls ----------------------------------------------------------------------------------------------- */
/* SYSCALL leaves RSP alone, so the first thing is to change it. Flags were masked: IF, TF, DF, AC, NT and RF are clear. */

.macro SYSCALL_DOOR name, selector, vector
    .globl \name
    .balign 64
\name:
    mov %rsp, cpu_area + AREA_SCRATCH(%rip)
    lea cpu_area + AREA_STACK_TOP(%rip), %rsp
    push $SELECTOR_RING3_DS
    push cpu_area + AREA_SCRATCH(%rip)
    push %r11
    push $\selector
    push %rcx
    PUSH_VECTOR \vector
    SAVE_REGISTERS
    mov %rsp, %rdi
    sub $8, %rsp
    call on_guest_exit
.endm

SYSCALL_DOOR syscall_entry, SELECTOR_RING3_CS64, VECTOR_SYSCALL

    /* Back by SYSRET, which is quick, if it can say what the frame says. RCX must be canonical: on Intel's CPUs SYSRET
     * would fault in ring 0 on the guest's stack. */
    lea cpu_area + AREA_FRAME(%rip), %rsp
    mov FRAME_RIP(%rsp), %rcx
    mov FRAME_RFLAGS(%rsp), %r11
    cmp FRAME_RCX(%rsp), %rcx
    jne resume
    cmp FRAME_R11(%rsp), %r11
    jne resume
    test $RFLAGS_NOT_BY_SYSRET, %r11d
    jnz resume
    cmpl $SELECTOR_RING3_CS64, FRAME_CS(%rsp)
    jne resume
    cmpl $SELECTOR_RING3_DS, FRAME_SS(%rsp)
    jne resume
    mov %rcx, %rax
    shl $16, %rax
    sar $16, %rax
    cmp %rcx, %rax
    jne resume
    RESTORE_REGISTERS
    mov FRAME_RSP - 15 * 8(%rsp), %rsp
    sysretq

SYSCALL_DOOR syscall32_entry, SELECTOR_RING3_CS32, VECTOR_SYSCALL32
    jmp resume_guest

/* SYSENTER has RSP from its MSR, but keeps TF, NT and AC, and does not say where it came from. */
    .globl sysenter_entry
    .balign 64
sysenter_entry:
    push $SELECTOR_RING3_DS
    push $0
    pushfq
    orl $RFLAGS_IF, (%rsp)
    push $RFLAGS_FIXED
    popfq
    push $SELECTOR_RING3_CS32
    push $0
    PUSH_VECTOR VECTOR_SYSENTER
    SAVE_REGISTERS
    mov %rsp, %rdi
    sub $8, %rsp
    call on_guest_exit
    jmp resume_guest

/* --- exceptions and interrupts ---------------------------------------------------------------------------------- */

    .balign 64
trap:
    CLAC_SITE
    cld
    SAVE_REGISTERS
    mov %rsp, %rdi
    testb $3, FRAME_CS(%rsp)
    jz trap_in_hypervisor
    sub $8, %rsp
    call on_guest_trap

    .globl resume_guest
resume_guest:
    lea cpu_area + AREA_FRAME(%rip), %rsp
resume:
    RESTORE_REGISTERS
    add $8, %rsp
    .globl resume_iret
resume_iret:
    iretq

trap_in_hypervisor:
    sub $8, %rsp
    call on_hypervisor_trap
    add $8, %rsp
    RESTORE_REGISTERS
    add $8, %rsp
    iretq

/* IRET to a guest faulted: on_hypervisor_trap() has put the guest's frame together again at the top of the stack. */
    .globl retry_resume
retry_resume:
    lea cpu_area + AREA_FRAME(%rip), %rdi
    lea -8(%rdi), %rsp
    xor %ebp, %ebp
    call on_resume_fault
    jmp resume_guest

/* NMI, double fault, machine check: handled on their own stack, whoever was interrupted. */
trap_on_own_stack:
    CLAC_SITE
    cld
    SAVE_REGISTERS
    mov %rsp, %rdi
    jmp trap_in_hypervisor

/* A debug trap of a guest moves to the CPU's stack; the six words that are on this one go along. */
debug_trap:
    testb $3, 16(%rsp)
    jz trap_on_own_stack
    mov %rax, cpu_area + AREA_SCRATCH(%rip)
    lea cpu_area + AREA_STACK_TOP - 6 * 8(%rip), %rax
    .irp offset, 0, 8, 16, 24, 32, 40
    pop \offset(%rax)
    .endr
    mov %rax, %rsp
    mov cpu_area + AREA_SCRATCH(%rip), %rax
    jmp trap

/* One stub of 16 bytes for each vector. */
    .globl trap_stubs
    .balign 64
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    /* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX push an error code */
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    push $0
    .endif
    movl $vector, 4(%rsp)
    .if vector == 1
    jmp debug_trap
    .elseif vector == 2 || vector == 8 || vector == 18
    jmp trap_on_own_stack
    .else
    jmp trap
    .endif
    .set vector, vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
