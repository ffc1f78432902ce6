#include "lib/vcpu.hpp"

#include "lib/guest.hpp"
#include "lib/memory.hpp"
#include "lib/trap.hpp"

extern "C" lib::VcpuArea vcpu_areas[lib::kMostVcpus]; // start.S begins on the first one's stack
lib::VcpuArea vcpu_areas[lib::kMostVcpus];

namespace lib {
namespace {

bool started[kMostVcpus];

/// A vCPU that has been started does one job after the other.
void work_for_ever(void*) {
    VcpuArea& self = this_vcpu();
    set_traps();
    for (;;) {
        if (auto const job = self.job; job != nullptr) {
            job(self.job_argument);
            self.job = nullptr;
        }
        sched_op(SCHEDOP_yield);
    }
}

} // namespace

VcpuArea& vcpu_area(unsigned id) { return vcpu_areas[id]; }

VcpuArea& this_vcpu() {
    return *reinterpret_cast<VcpuArea*>(reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)) &
                                        ~(std::uint64_t{kAreaSize} - 1));
}

unsigned vcpus() {
    unsigned count = 0;
    while (count < kMostVcpus && vcpu_op(VCPUOP_is_up, count) >= 0)
        ++count;
    return count;
}

vcpu_guest_context_t& make_context(unsigned id, void (*entry)(void*), void* argument) {
    static vcpu_guest_context_t context;
    context = {};
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = word(entry);
    context.user_regs.rdi = word(argument);
    context.user_regs.rsp = vcpu_areas[id].stack_top() - 8; // as a call would leave it
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 1 << 12; // the kernel may use the ports: virtual IOPL 1
    for (trap_info_t const* trap = trap_table(); trap->address != 0; ++trap)
        context.trap_ctxt[trap->vector] = *trap;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = vcpu_areas[id].trap_stack_top();
    context.ctrlreg[3] = root_table().address();
    vcpu_areas[id].info->evtchn_upcall_mask = 1;
    return context;
}

void start_on(unsigned id, void (*work)(void*), void* argument) {
    vcpu_areas[id].job_argument = argument;
    vcpu_areas[id].job = work;
    if (started[id])
        return;
    started[id] = true;
    auto const made = vcpu_op(VCPUOP_initialise, id, &make_context(id, work_for_ever, nullptr));
    auto const up = vcpu_op(VCPUOP_up, id);
    if (made != 0 || up != 0) {
        print("# vCPU ", id, " does not start: ", made, ", ", up, "\n");
        shut_down(Verdict::failed);
    }
}

void wait_for(unsigned id) {
    while (vcpu_areas[id].job != nullptr)
        sched_op(SCHEDOP_yield);
}

bool shares_cpu() { return vcpus() > 1 && command_line().find("shares-cpu") != std::string_view::npos; }

OtherVcpuBusy::OtherVcpuBusy() {
    start_on(
        1,
        [](void* what) {
            while (*static_cast<bool volatile*>(what))
                sched_op(SCHEDOP_yield);
        },
        const_cast<bool*>(&wanted_));
}

OtherVcpuBusy::~OtherVcpuBusy() {
    wanted_ = false;
    wait_for(1);
}

} // namespace lib
