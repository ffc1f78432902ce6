/// A virtual CPU: everything a guest's CPU is while it does not run, and what the hypervisor keeps for it while it does.
///
/// While a vCPU runs, its general registers are in the CPU's exit frame (arch::Registers) and its segments, extended
/// state and debug registers in the CPU itself; `saved` holds them at any other time (guest/switch.hpp moves them).
/// The rest is always here. Only the CPU that runs a vCPU, or one that has made sure that none does, changes it;
/// fields that others touch say so.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "arch/registers.hpp"
#include "base/frame.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "events/event_table.hpp"
#include "sched/entity.hpp"
#include "shadow_pt/paging.hpp"
#include "timing/timer_queue.hpp"

namespace domain {

struct Domain;
struct Vcpu;

/// An entry point of the guest's kernel. Address 0 means that there is none.
struct Callback {
    std::uint64_t address = 0;
    bool mask_events = false; ///< entering it sets evtchn_upcall_mask
};

/// What set_trap_table gave for one vector (<xen/arch-x86/xen.h>, trap_info).
struct TrapGate {
    std::uint64_t address = 0;
    std::uint16_t selector = 0;
    std::uint8_t privilege = 0; ///< the least privileged ring (0..3) from which INT n may use it
    bool mask_events = false;
};

inline constexpr std::uint8_t kNmiVector = 2;

/// A page of a descriptor table: the guest's frame, held as such, and the checked copy that the CPU uses (SP-29).
struct DescriptorPage {
    base::Gfn gfn{};
    base::Mfn guest{};
    base::Mfn copy{}; ///< invalid: no page
};

/// A guest runs at CPL 3 always; which half of it runs decides its root, its GS base and what SYSCALL means.
enum class Mode : std::uint8_t { user, kernel };

/// A vCPU as the scheduler knows it.
struct ScheduledVcpu : sched::Entity {
    explicit ScheduledVcpu(Vcpu& owner) : vcpu{owner} {}
    Vcpu& vcpu;
};

struct Vcpu {
    Vcpu(Domain& owner, base::VcpuId number, events::Target& words) : domain{owner}, id{number}, target{words} {}
    Vcpu(Vcpu const&) = delete;
    Vcpu& operator=(Vcpu const&) = delete;

    Domain& domain;
    base::VcpuId const id;
    events::Target& target; ///< where its vcpu_info is

    /// The CPU's own state while the vCPU is off the CPU.
    struct Saved {
        arch::Registers registers{};
        arch::Segments segments{};
        std::byte* extended_state = nullptr; ///< arch::extended_state_size() bytes
    } saved;

    Mode mode = Mode::kernel;
    std::uint64_t kernel_sp = 0; ///< stack_switch: where the kernel is entered from user mode
    std::uint16_t kernel_ss = 0;
    std::uint8_t iopl = 0;   ///< virtual: physdev_op set_iopl
    base::Vaddr io_bitmap{}; ///< physdev_op set_iobitmap, in guest memory
    std::uint32_t io_bitmap_ports = 0;

    std::array<TrapGate, 256> traps{};
    Callback event_callback, failsafe_callback{0, true}, syscall_callback, syscall32_callback, sysenter_callback;

    std::uint64_t cr4 = 0; ///< the guest's own bits: TSD, DE, FSGSBASE, OSXSAVE
    std::uint64_t xcr0 = 1;
    std::uint64_t tsc_aux = 0;
    bool task_switched = false; ///< virtual CR0.TS
    arch::DebugRegisters debug;
    bool in_nmi = false;                  ///< an NMI was delivered and not yet ended by iret
    std::atomic<bool> nmi_pending{false}; ///< set by any CPU

    /// The two roots: the guest's L4, as it calls it, and the tables. Invalid: none.
    struct Root {
        base::Gfn gfn{};
        shadow_pt::Root tables{};
        [[nodiscard]] bool valid() const { return tables.valid(); }
    };
    Root kernel_root, user_root;
    /// The tables of both, for harvests on other CPUs; 0: none.
    std::array<std::atomic<std::uint64_t>, 2> tracked_roots{};
    shadow_pt::Root leaving_root{}; ///< replaced, but not yet given back: that was preempted (SP-9)
    /// A context was refused, for this reason, and what had been taken for it is not all given back yet.
    std::optional<base::Error> refused_context;

    struct Descriptors {
        std::array<DescriptorPage, 14> gdt{};
        std::uint32_t gdt_entries = 0;
        std::array<DescriptorPage, 16> ldt{};
        base::Vaddr ldt_base{};
        std::uint32_t ldt_entries = 0;
    } descriptors;

    // --- shared with the guest -------------------------------------------------------------------------------------
    base::Mfn info_frame;      ///< the page that vcpu_info was registered in, held writable; invalid: none
    base::Vaddr runstate_area; ///< VCPUOP_register_runstate_memory_area; 0: none
    base::Vaddr time_area;     ///< VCPUOP_register_vcpu_time_memory_area; 0: none
    vcpu_time_info_t time_area_shows{};

    // --- running ---------------------------------------------------------------------------------------------------
    ScheduledVcpu entity{*this};
    timing::Timer singleshot, periodic, poll_timeout;
    /// Where it may run when its own choice of one CPU ends (SCHEDOP_pin_override). It alone changes it.
    std::optional<sched::Affinity> before_override;
    std::atomic<bool> overridden{false};  ///< that choice holds
    std::atomic<bool> claimed{false};     ///< by the one that sets it up while it does not run (Claim)
    std::atomic<bool> initialised{false}; ///< VCPUOP_initialise or setvcpucontext gave it a context
    std::atomic<bool> down{true};         ///< VCPUOP_up / down
    std::atomic<bool> polling{false};     ///< in SCHEDOP_poll
    /// What a raise has to be of to wake it from that; port 0, which there is not: of any port of the domain's. A
    /// record does not hold it: a vCPU that was moved while it polled is woken by any.
    std::atomic<base::Port> polled{};
    std::atomic<std::uint64_t> left{
        0}; ///< system time when it last left the guest to run no more for a while; 0: never

    [[nodiscard]] bool in_kernel() const { return mode == Mode::kernel; }
    [[nodiscard]] Root& root_of(Mode which) { return which == Mode::kernel ? kernel_root : user_root; }
    /// In shared_info, or in the page registered; null: none yet (ids from 32 on). Never null once it may run.
    [[nodiscard]] vcpu_info_t* info() const { return target.info.load(std::memory_order_acquire); }
};

} // namespace domain
