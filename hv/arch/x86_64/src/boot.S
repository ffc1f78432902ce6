/* The first instructions: GRUB enters in 32-bit protected mode without paging (Multiboot2 specification 2.0, §3.2). This
 * code runs at its physical address, builds translations good enough for C++, and goes to start_of_day() in long mode:
 *
 *   slot 0    the first 4 GiB as they are, for this code
 *   slot 261  the image, all of it writable and executable, and the boot CPU's two data pages
 *   slot 262  the direct map of the first 4 GiB
 *
 * start_of_day() replaces them all. The linker script gives the physical addresses of what lies in the image (NAME_phys). */
#include "x86/asm_layout.h"

#define MULTIBOOT2_MAGIC 0xe85250d6
#define TAG_END 0
#define TAG_INFORMATION_REQUEST 1
#define TAG_ENTRY_ADDRESS 3
#define TAG_MODULE_ALIGNMENT 6

#define ENTRY_TABLE 0x3         /* present, writable */
#define ENTRY_LARGE 0x83        /* the same, 2 MiB */
#define LARGE_PAGE (2 << 20)

    .section .boot.header, "a"
    .balign 8
header:
    .long MULTIBOOT2_MAGIC, 0, header_end - header, -(MULTIBOOT2_MAGIC + (header_end - header))
    .balign 8
    .short TAG_INFORMATION_REQUEST, 0
    .long 3f - 2f + 8
2:  .long 6                     /* the memory map */
3:  .balign 8
    .short TAG_ENTRY_ADDRESS, 0
    .long 12, boot_entry
    .balign 8
    .short TAG_MODULE_ALIGNMENT, 0
    .long 8
    .balign 8
    .short TAG_END, 0
    .long 8
header_end:

    .section .boot, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    mov %eax, %ebp              /* the loader's magic and its information */
    mov %ebx, %esi

    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb refuse
    mov $0x80000001, %eax
    cpuid
    and $(1 << 29 | 1 << 20), %edx      /* long mode, no-execute */
    cmp $(1 << 29 | 1 << 20), %edx
    jne refuse

    /* Large pages for 4 GiB, in four tables that lie one after the other. */
    mov $boot_l2_low_phys, %edi
    mov $ENTRY_LARGE, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $LARGE_PAGE, %eax
    add $8, %edi
    loop 1b

    movl $(boot_l2_low_phys + 0x0000 + ENTRY_TABLE), boot_l3_low_phys
    movl $(boot_l2_low_phys + 0x1000 + ENTRY_TABLE), boot_l3_low_phys + 8
    movl $(boot_l2_low_phys + 0x2000 + ENTRY_TABLE), boot_l3_low_phys + 16
    movl $(boot_l2_low_phys + 0x3000 + ENTRY_TABLE), boot_l3_low_phys + 24
    movl $(boot_l3_low_phys + ENTRY_TABLE), boot_l4_phys
    movl $(boot_l3_low_phys + ENTRY_TABLE), boot_l4_phys + 262 * 8

    movl $(boot_l3_image_phys + ENTRY_TABLE), boot_l4_phys + 261 * 8
    movl $(boot_l2_low_phys + ENTRY_TABLE), boot_l3_image_phys + 322 * 8
    movl $(boot_l2_area_phys + ENTRY_TABLE), boot_l3_image_phys + 323 * 8
    movl $(boot_l1_area_phys + ENTRY_TABLE), boot_l2_area_phys
    movl $(boot_cpu_pages_phys + 0x0000 + ENTRY_TABLE), boot_l1_area_phys + 1 * 8
    movl $(boot_cpu_pages_phys + 0x1000 + ENTRY_TABLE), boot_l1_area_phys + 2 * 8

    mov $(1 << 5), %eax         /* CR4: PAE */
    mov %eax, %cr4
    mov $boot_l4_phys, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       /* EFER: LME, NXE */
    rdmsr
    or $(1 << 8 | 1 << 11), %eax
    wrmsr
    mov $0x80010001, %eax       /* CR0: PG, WP, PE */
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $in_long_mode

/* Says why on the serial line, without waiting for it to be ready: this is all that a 32-bit CPU will ever run of us. */
refuse:
    mov $refusal, %esi
    mov $0x3f8, %edx
1:  lodsb
    test %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  hlt
    jmp 2b
refusal:
    .asciz "Tern: this CPU has no long mode, or no NX\r\n"

    .code64
in_long_mode:
    mov $16, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    movabs $boot_stack_top, %rsp
    mov %ebp, %edi
    /* esi is the information still */
    xor %ebp, %ebp
    movabs $start_of_day, %rax
    call *%rax
    ud2

    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
    .short 3 * 8 - 1
    .quad boot_gdt

    .section .bss.boot, "aw", @nobits
    .balign 4096
    .globl boot_l4, boot_l3_low, boot_l2_low, boot_l3_image, boot_l2_area, boot_l1_area, boot_cpu_pages
boot_l4: .skip 0x1000
boot_l3_low: .skip 0x1000
boot_l2_low: .skip 0x4000
boot_l3_image: .skip 0x1000
boot_l2_area: .skip 0x1000
boot_l1_area: .skip 0x1000
boot_cpu_pages: .skip 0x2000
    .skip 0x4000
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
