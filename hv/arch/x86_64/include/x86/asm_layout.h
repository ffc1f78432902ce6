/* Numbers that assembly and C++ share. C++ asserts them where the types are: cpu_area.hpp, descriptors.hpp. */
#pragma once

/* What is linked at IMAGE_OFFSET + x is loaded at physical address x. */
#define IMAGE_OFFSET 0xffff82d080000000

/* The CPU's own area (cpu_area.hpp), from the linker's symbol cpu_area on. */
#define AREA_SCRATCH 0x2000
#define AREA_STACK_TOP 0xc000
#define AREA_FRAME (AREA_STACK_TOP - FRAME_SIZE)

/* arch::Registers. */
#define FRAME_R11 (6 * 8)
#define FRAME_RCX (11 * 8)
#define FRAME_RIP (16 * 8)
#define FRAME_CS (17 * 8)
#define FRAME_RFLAGS (18 * 8)
#define FRAME_RSP (19 * 8)
#define FRAME_SS (20 * 8)
#define FRAME_SIZE (21 * 8)

#define VECTOR_SYSCALL 0x100
#define VECTOR_SYSCALL32 0x101
#define VECTOR_SYSENTER 0x102

/* Selectors, in the two GDT pages that are ours. Those of ring 3 are the ABI's FLAT_RING3_*. */
#define SELECTOR_KERNEL_CS 0xe008
#define SELECTOR_KERNEL_DS 0xe010
#define SELECTOR_RING3_CS32 0xe023
#define SELECTOR_RING3_DS 0xe02b
#define SELECTOR_RING3_CS64 0xe033
#define SELECTOR_TSS 0xe040
#define SELECTOR_LDT 0xe050

#define RFLAGS_FIXED 0x2
#define RFLAGS_IF 0x200
/* TF, NT, RF, VM: not what SYSRET should return with. */
#define RFLAGS_NOT_BY_SYSRET 0x34100
