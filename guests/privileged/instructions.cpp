/// Privileged instructions that are no moves: ports, CPUID, XSETBV, and the many that a kernel in ring 3 has no use for
/// (docs/abi.md §4.2, §4.4, §4.6).
#include "lib/instructions.hpp"
#include "lib/events.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint16_t kPost = 0x80, kSpeaker = 0x61, kRtcIndex = 0x70, kRtcData = 0x71, kPciAddress = 0xcf8,
                        kPciData = 0xcfc, kPicMask = 0x21;

template <typename Code> bool refused(Code const& code) {
    Caught const trap = trap_of(code);
    return trap.vector == kGeneralProtection && trap.error_code == 0;
}
template <typename Code> bool allowed(Code const& code) { return trap_of(code).vector == kNoTrap; }

std::int64_t set_iopl(unsigned iopl) {
    physdev_set_iopl_t request{.iopl = iopl};
    return physdev(PHYSDEVOP_set_iopl, &request);
}

} // namespace

TEST("the kernel may use ports once it has asked to") {
    CHECK_EQ(set_iopl(0), 0);
    CHECK(refused([] { out<std::uint8_t>(kPost, 0); }));
    CHECK(refused([] { in<std::uint8_t>(kSpeaker); }));
    CHECK_EQ(set_iopl(1), 0);
    CHECK(allowed([] { out<std::uint8_t>(kPost, 0); }));
    CHECK(allowed([] { in<std::uint8_t>(kSpeaker); }));
    CHECK_EQ(set_iopl(4), kEINVAL);
}

TEST("a kernel with architectural_iopl need not ask") {
    CHECK_EQ(set_iopl(0), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    CHECK(allowed([] { in<std::uint8_t>(kSpeaker); }));
    CHECK_EQ(vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
    CHECK_EQ(set_iopl(0), 0); // the frames of traps have taken it along
    CHECK(refused([] { in<std::uint8_t>(kSpeaker); }));
    CHECK_EQ(set_iopl(1), 0);
}

TEST("IN and OUT of every width, by DX and by an immediate port, leave the rest of RAX as the processor would") {
    std::uint64_t const rax = 0x1122'3344'5566'7788;
    CHECK_EQ(in_from_speaker(rax) >> 8, 0x11'2233'4455'6677);
    CHECK_EQ(in_word(kPciData, rax) >> 16, 0x1122'3344'5566);
    CHECK_EQ(in_long(kPciData, rax) >> 32, 0);
    out_to_post(0);
    out<std::uint16_t>(kPost, 0);
    out<std::uint32_t>(kPost, 0);
}

TEST("INS and OUTS, with and without a prefix to repeat, forwards and backwards") {
    alignas(8) std::uint8_t buffer[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    out<std::uint32_t>(kPciAddress, 0x8000'0000);
    std::uint8_t const vendor = in<std::uint8_t>(kPciData);
    StringEnd end = rep_insb(kPciData, buffer, 3);
    CHECK_EQ(end.count, 0);
    CHECK(end.address == buffer + 3);
    CHECK_EQ(buffer[2], vendor);
    CHECK_EQ(buffer[3], 1);
    end = rep_insw_backwards(kPciData, buffer + 4, 2);
    CHECK(end.address == buffer);
    CHECK_EQ(buffer[4], vendor);
    CHECK_EQ(buffer[2], vendor);
    CHECK(insl(kPciData, buffer).address == buffer + 4);
    CHECK_EQ(buffer[0], vendor);
    end = rep_outsb(kPost, buffer, 4);
    CHECK(end.address == buffer + 4);
    CHECK_EQ(end.count, 0);
}

TEST("INS to an address that is not there is a page fault") {
    Caught const trap = trap_of([] { insb(kSpeaker, reinterpret_cast<void*>(0x1000)); });
    CHECK_EQ(trap.vector, kPageFault);
    CHECK_EQ(trap.fault_address, 0x1000);
    CHECK_EQ(trap.error_code, kFaultWrite);
}

TEST("dom0 reaches the devices: the PCI bridge says who made it, and the clock what time it is") {
    SKIP_UNLESS(is_dom0(), kDom0sOwn);
    out<std::uint32_t>(kPciAddress, 0x8000'0000);
    CHECK_EQ(in<std::uint32_t>(kPciAddress), 0x8000'0000);
    std::uint32_t const identity = in<std::uint32_t>(kPciData);
    CHECK_EQ(identity & 0xffff, 0x8086);
    CHECK_EQ(in<std::uint16_t>(kPciData + 2), identity >> 16);
    CHECK_EQ(in<std::uint8_t>(kPciData + 1), identity >> 8 & 0xff);
    out<std::uint32_t>(kPciAddress, 0x8000'f800); // nothing at 0:31.0? then all ones
    in<std::uint32_t>(kPciData);
    out<std::uint8_t>(kRtcIndex, 0x08); // the month
    std::uint8_t const month = in<std::uint8_t>(kRtcData);
    CHECK(month >= 1 && month <= 0x12);
}

TEST("what the hypervisor keeps for itself reads as ones, and takes writes without a word") {
    for (std::uint16_t const port : {std::uint16_t{0x20}, kPicMask, std::uint16_t{0xa0}, std::uint16_t{0xa1}}) {
        CHECK_EQ(in<std::uint8_t>(port), 0xff);
        CHECK(allowed([&] { out<std::uint8_t>(port, 0xff); }));
    }
}

TEST("user mode may use the ports that the kernel's bitmap lets it") {
    use_user_mode();
    static std::uint8_t bitmap[0x2000];
    for (auto& byte : bitmap)
        byte = 0xff;
    bitmap[kPost / 8] = static_cast<std::uint8_t>(~(1 << kPost % 8));
    auto const write_post = [] { return user_trap_of([] { out<std::uint8_t>(kPost, 0); }).vector; };
    auto const write_post_word = [] { return user_trap_of([] { out<std::uint16_t>(kPost, 0); }).vector; };
    CHECK_EQ(write_post(), kGeneralProtection);
    physdev_set_iobitmap_t request{};
    set_xen_guest_handle(request.bitmap, bitmap);
    request.nr_ports = 65536;
    CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &request), 0);
    CHECK_EQ(write_post(), kSystemCall);
    CHECK_EQ(write_post_word(), kGeneralProtection); // the next port is not let
    request.nr_ports = kPost;
    CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &request), 0);
    CHECK_EQ(write_post(), kGeneralProtection); // beyond the bitmap's end
    request.nr_ports = 65537;
    CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &request), kEINVAL);
    CHECK_EQ(set_iopl(3), 0);
    CHECK_EQ(write_post(), kSystemCall);
    CHECK_EQ(set_iopl(1), 0);
    CHECK_EQ(write_post(), kGeneralProtection);
}

TEST("CLI and STI do nothing, if the kernel may use ports; else they are refused") {
    CHECK(allowed([] { sti(); }));
    CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 1);
    {
        EventsIn const in;
        CHECK(allowed([] { cli(); }));
        CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 0);
    }
    CHECK((read_rflags() & kInterruptFlag) != 0);
    set_iopl(0);
    CHECK(refused([] { cli(); }));
    CHECK(refused([] { sti(); }));
    set_iopl(1);
}

TEST("HLT sleeps until an event, where it is emulated (Xen 4.17 refuses it)") {
    vcpu_op(VCPUOP_stop_periodic_timer, 0);
    Port const timer = static_cast<Port>(bind_virq(VIRQ_TIMER));
    set_masked(timer, false);
    forget_taken(timer);
    vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = now() + 5 * kMillisecond, .flags = 0};
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &alarm);
    Caught const trap = trap_of([&] {
        for (keep_events_out(); taken(timer) == 0; keep_events_out()) {
            hlt();
            let_events_in();
        }
    });
    keep_events_out();
    CHECK(trap.vector == kNoTrap || (trap.vector == kGeneralProtection && trap.error_code == 0));
    CHECK(trap.vector != kNoTrap || now() >= alarm.timeout_abs_ns);
    vcpu_op(VCPUOP_stop_singleshot_timer, 0);
    close(timer);
}

TEST("WBINVD is done for a domain with devices") {
    CHECK(allowed([] { wbinvd(); }));
}

TEST("what a kernel has hypercalls for is refused") {
    CHECK(refused([] { lgdt(TablePointer{}); }));
    CHECK(refused([] { lidt(TablePointer{}); }));
    CHECK(refused([] { lldt(0); }));
    CHECK(refused([] { ltr(0); }));
    CHECK(refused([] { invlpg(nullptr); }));
    CHECK(refused([] { rdpmc(); }));
    CHECK(refused([] { lmsw(1); }));
}

TEST("the instructions of a guest of hardware virtualisation are none here") {
    CHECK_EQ(trap_of([] { vmcall(); }).vector, kInvalidOpcode);
    CHECK_EQ(trap_of([] { vmmcall(); }).vector, kInvalidOpcode);
}

TEST("IRETQ from ring 3 to ring 3 is the processor's own matter") {
    CHECK_EQ(trap_of([] { iretq_to_here(FLAT_KERNEL_CS, FLAT_KERNEL_SS); }).vector, kNoTrap);
}

TEST("the hypervisor's cpuid says that it is there, and what it is") {
    CpuidLeaf const base = xen_cpuid(0x4000'0000);
    CHECK(base.eax >= 0x4000'0002);
    CHECK_EQ(base.ebx, 0x566e'6558); // "XenV"
    CHECK_EQ(base.ecx, 0x6558'4d4d); // "MMXe"
    CHECK_EQ(base.edx, 0x4d4d'566e); // "nVMM"
    CHECK_EQ(xen_cpuid(0x4000'0001).eax, (4 << 16) | 17);
    CHECK_EQ(xen_cpuid(0x4000'0002).ecx & 1, 1);        // mmu_update preserves A and D
    CHECK_EQ(xen_cpuid(0x4000'0004).eax & (1 << 6), 0); // nothing of hardware virtualisation
    CHECK((xen_cpuid(1).ecx & 1U << 31) != 0);
}

TEST("the hypervisor's cpuid hides what a kernel in ring 3 must not have") {
    CpuidLeaf const basic = xen_cpuid(1);
    CHECK_EQ(basic.ecx & 0x0022'00e8, 0);                           // MONITOR, VMX, SMX, EST (dom0: may), PCID, x2APIC
    CHECK_EQ(basic.edx & (1 << 1 | 1 << 3 | 1 << 13 | 1 << 17), 0); // VME, PSE, PGE, PSE36 (MTRR: Xen shows it to dom0)
    CHECK_EQ(basic.edx & (1 << 8 | 1 << 24 | 1 << 25 | 1 << 26),
             1 << 8 | 1 << 24 | 1 << 25 | 1 << 26); // CX8, FXSR, SSE, SSE2
    CHECK((basic.edx & 1 << 9) != 0);               // dom0 sees an APIC
    CpuidLeaf const more = xen_cpuid(7);
    CHECK_EQ(more.ebx & (1 << 7 | 1 << 20 | 1 << 10), 0);         // SMEP, SMAP, INVPCID
    CHECK_EQ(more.ecx & (1 << 2 | 1 << 3 | 1 << 4 | 1 << 16), 0); // UMIP, PKU, OSPKE, LA57
    CpuidLeaf const extended = xen_cpuid(0x8000'0001);
    CHECK_EQ(extended.edx & (1 << 11 | 1 << 20 | 1 << 29), 1 << 11 | 1 << 20 | 1 << 29); // SYSCALL, NX, long mode
    CHECK_EQ(extended.edx & (1 << 26), 0);                                               // pages of 1 GiB
    CHECK_EQ(extended.ecx & (1 << 2), 0);                                                // SVM
    CHECK_EQ(xen_cpuid(0xa).eax, 0);                                                     // no performance counters
}

TEST("the hypervisor's cpuid shows OSXSAVE if there is XSAVE, before the kernel has asked for it") {
    std::uint32_t const ecx = xen_cpuid(1).ecx;
    CHECK_EQ(ecx >> 27 & 1, ecx >> 26 & 1);
}

TEST("XSETBV takes the state components that there are, and refuses what makes no sense") {
    SKIP_UNLESS((xen_cpuid(1).ecx & 1 << 26) != 0, "the processor has no XSAVE");
    write_cr4(read_cr4() | 1 << 18);
    CpuidLeaf const components = xen_cpuid(0xd);
    CHECK_EQ(components.eax & 3, 3);
    CHECK(allowed([] { xsetbv(0, 3); }));
    CHECK_EQ(xgetbv(0), 3);
    if ((components.eax & 4) != 0) {
        CHECK(allowed([] { xsetbv(0, 7); }));
        CHECK_EQ(xgetbv(0), 7);
        CHECK_EQ(xen_cpuid(0xd).ebx, 576 + 256);
        CHECK(allowed([] { xsetbv(0, 1); }));
        CHECK_EQ(xgetbv(0), 1);
    }
    CHECK(refused([] { xsetbv(0, 0); }));                          // x87 cannot be switched off
    CHECK(refused([] { xsetbv(0, 5); }));                          // AVX without SSE
    CHECK(refused([] { xsetbv(0, 3 | std::uint64_t{1} << 40); })); // not there
    CHECK(refused([] { xsetbv(1, 3); }));
    CHECK(allowed([] { xsetbv(0, 3); }));
}

TEST("vm_assist knows its types") {
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments_notify), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0); // user mode never sees it anyway
    CHECK_EQ(vm_assist(VMASST_CMD_enable, 99), kEINVAL);
    CHECK_EQ(vm_assist(99, VMASST_TYPE_writable_pagetables), kENOSYS);
}
