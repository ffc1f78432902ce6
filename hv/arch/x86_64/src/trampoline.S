/* Where the other CPUs begin: in real mode, on a page below 1 MiB to which start_other_cpus() copies this, and whose
 * four blanks it fills in. From there to long mode in one step (SDM vol. 3A §9.8.5 allows PE and PG together). */
#include "x86/asm_layout.h"

    .section .rodata.trampoline, "a"
    .balign 16
    .code16
    .globl trampoline, trampoline_end
    .globl trampoline_cr3, trampoline_gdt_address, trampoline_far_address
trampoline:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    mov $(1 << 5), %eax         /* CR4: PAE */
    mov %eax, %cr4
    mov trampoline_cr3 - trampoline, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       /* EFER: LME, NXE */
    rdmsr
    or $(1 << 8 | 1 << 11), %eax
    wrmsr
    lgdtl gdt_pointer - trampoline
    mov $0x80010001, %eax       /* CR0: PG, WP, PE; caches on */
    mov %eax, %cr0
    ljmpl *(far_pointer - trampoline)

    .code64
in_long_mode:
    mov entry_address(%rip), %rax
    jmp *%rax

    .balign 8
entry_address:
    .quad cpu_entry
gdt:
    .quad 0, 0x00af9b000000ffff
gdt_pointer:
    .short 2 * 8 - 1
trampoline_gdt_address:
    .long gdt - trampoline      /* + where the page is */
far_pointer:
trampoline_far_address:
    .long in_long_mode - trampoline
    .short 8
    .balign 4
trampoline_cr3:
    .long 0
trampoline_end:

/* In the image, still without a stack: the CPU's own root has one. */
    .section .text, "ax", @progbits
    .code64
cpu_entry:
    mov starting_cpu_root(%rip), %rax
    mov %rax, %cr3
    lea cpu_area + AREA_FRAME - 8(%rip), %rsp
    xor %ebp, %ebp
    call on_cpu_start
    ud2

    .section .note.GNU-stack, "", @progbits
