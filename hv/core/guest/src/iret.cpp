#include "guest/iret.hpp"

#include <cstring>

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/shared_words.hpp"
#include "guest/flags.hpp"
#include "guest/mode.hpp"

namespace guest {
namespace {

[[gnu::hot]] base::Status apply(iret_context const& frame, domain::Vcpu& vcpu, arch::Registers& registers) {
    if ((frame.cs & 3) == 3)
        TRY(enter_user_mode(vcpu));
    registers.rip = frame.rip;
    registers.cs = (frame.cs & 0xffff) | 3; // force ring 3: the hardware always sees it
    registers.ss = (frame.ss & 0xffff) | 3;
    registers.rsp = frame.rsp;
    registers.rflags = guest_rflags(frame.rflags);
    if (vcpu.domain.assisted(VMASST_TYPE_architectural_iopl)) {
        vcpu.iopl = (frame.rflags >> kIoplShift) & 3;
        apply_iopl(vcpu);
    }
    registers.rax = frame.rax;
    if ((frame.flags & VGCF_in_syscall) == 0) {
        registers.rcx = frame.rcx;
        registers.r11 = frame.r11;
    }
    domain::set_upcall_mask(vcpu, (frame.rflags & kFlagInterrupt) == 0);
    vcpu.in_nmi = false;
    return {};
}

} // namespace

base::Status iret(domain::Vcpu& vcpu, arch::Registers& registers) {
    return apply(TRY(domain::read_guest<iret_context>(vcpu, base::Vaddr{registers.rsp})), vcpu, registers);
}

bool iret_in_guest(domain::Vcpu& vcpu, arch::Registers& registers) {
    base::Vaddr const stack{registers.rsp};
    iret_context frame;
    base::Mfn const found = vcpu.domain.system.this_cpu().kernel_pages.find(stack, sizeof frame);
    if (!found.valid())
        return false;
    std::memcpy(&frame, arch::direct_map(found) + stack.offset(), sizeof frame);
    return apply(frame, vcpu, registers).ok();
}

} // namespace guest
