/// A hostile kernel on the whole hypervisor, on the fake machine with two CPUs: the input is a program of acts,
/// hypercalls for the most part. Whatever it does, no lock stays held, and the hypervisor's books are in order: they are
/// looked at after some acts and at the end, since that takes longer than the acts.
///
/// A byte first: how fast time passes, which decides how often calls are preempted, and how much memory is free.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

#include "domain/memory.hpp"
#include "fuzz/hypercall/calls.hpp"
#include "unit/hypercall/audit.hpp"

namespace fuzz {

class Session {
  public:
    explicit Session(base::Bytes bytes) : input_{bytes} {
        domain::System& system = *hypervisor_.system;
        auto const made = domain::create(system, {.id = base::DomId{1}, .vcpus = 1, .max_pages = 16});
        ASSERT(made.ok());
        ASSERT(domain::add_extent(*made.value(), base::Pfn{0}, 3, 0).ok());
        grant_from(*made.value());
        set_up_kernel();
        auto const character = input_.byte();
        hypervisor_.machine.tsc_step = std::array<std::uint64_t, 4>{0, 20'000, 200'000, 2'000'000}[character & 3];
        take_memory(character >> 2 & 3);
    }

    /// True if some hypercall was accepted.
    bool run() {
        try {
            for (unsigned acts = 0; acts < kMostActs && !input_.empty() && running(); ++acts) {
                act();
                ASSERT(arch::lock_witness().empty());
                if (acts % kActsBetweenAudits == kActsBetweenAudits - 1)
                    check();
            }
            check();
        } catch (arch_fake::PoweredOff const&) { // the end of domain 0 is the end of the machine, in the middle of it
        } catch (arch_fake::Rebooted const&) {
        } catch (arch_fake::Dom0Crashed const&) {
        }
        return accepted_;
    }

  private:
    static constexpr unsigned kMostActs = 64;
    static constexpr unsigned kActsBetweenAudits = 8;
    static constexpr unsigned kMostContinuations = 100'000;

    void check() {
        auto const wrong = test::Audit{hypervisor_}();
        if (!wrong.empty()) {
            std::fprintf(stderr, "%s\n", wrong.c_str());
            std::abort();
        }
    }

    // --- before the first act ----------------------------------------------------------------------------------------------

    /// Domain 1 grants its frames, first to domain 0: then nobody needs its consent.
    static void grant_from(domain::Domain& granter) {
        granter.grants.with([&](grants::Grants& both) {
            ASSERT(both.table.grow_to(1).ok());
            for (std::uint32_t ref = 0; ref < 8; ++ref)
                ASSERT(both.table.seed(base::GrantRef{ref}, base::DomId{0}, base::Gfn{ref}).ok());
        });
    }

    void set_up_kernel() {
        std::array<trap_info_t, 4> traps{};
        for (unsigned i = 0; i < 3; ++i)
            traps[i] = {.vector = std::array<std::uint8_t, 3>{6, 13, 14}[i],
                        .flags = 0,
                        .cs = FLAT_KERNEL_CS,
                        .address = Guest::kCode};
        make({__HYPERVISOR_set_trap_table, {guest_.put(traps)}});
        make({__HYPERVISOR_set_callbacks, {Guest::kCode, Guest::kCode, Guest::kCode}});
        make({__HYPERVISOR_stack_switch, {FLAT_KERNEL_SS, Guest::kStack}});
    }

    /// Leaves the hypervisor all its free memory, or little of it, or little and few shadow pages.
    void take_memory(unsigned how) {
        auto& system = *hypervisor_.system;
        auto& pool = hypervisor_.dom0->host.pool();
        if (how >= 2)
            while (pool.size().pages - pool.size().in_use > (how == 2 ? 4U : 1U))
                ASSERT(pool.take().ok());
        std::uint64_t const left = how == 1 ? 24 : 2;
        for (unsigned order = 8; how >= 1 && system.allocator.statistics().free > left;)
            if (system.allocator.statistics().free < left + (1U << order) ||
                !system.allocator.allocate({.order = order, .contents = mm::Contents::any}).ok())
                --order;
    }

    // --- acts -----------------------------------------------------------------------------------------------------------------

    /// Somebody runs, here or on the other CPU.
    bool running() { return cpus_.current() != nullptr || cpus_.change(); }

    void act() {
        guest_.clear_arena();
        switch (input_.below(16)) {
        default: make(calls_.any()); return;
        case 8: make(calls_.multicall()); return;
        case 9: make(calls_.any(), 1 + input_.below(3)); return; // and never continued again
        case 10: static_cast<void>(cpus_.change()); return;
        case 11: store_to_table(); return;
        case 12: fault(); return;
        case 13: instruction(); return;
        case 14: grant(); return;
        case 15: other(); return;
        }
    }

    /// Puts the guest's kernel where it can make a call.
    void in_kernel() {
        auto& frame = cpus_.frame();
        if (!guest_.vcpu().in_kernel()) {
            frame.rcx = frame.rip;
            frame.r11 = 0x202;
            static_cast<void>(cpus_.enter_by(arch::kSyscallVector));
        }
    }
    void at(std::uint64_t rip) {
        cpus_.frame().rip = rip;
        cpus_.frame().rsp = Guest::kStack - 0x400;
    }

    void make(Prepared const& call, unsigned tries = kMostContinuations) {
        in_kernel();
        if (cpus_.current() == nullptr)
            return;
        at(Guest::kCode);
        auto& frame = cpus_.frame();
        std::apply([&](auto... args) { test::set_call(frame, call.number, args...); }, call.args);
        bool const to_the_end = tries == kMostContinuations;
        do {
            frame.rcx = Guest::kCode + 2;
            frame.r11 = 0x202;
            if (!cpus_.enter_by(arch::kSyscallVector))
                return;
        } while (frame.rip == Guest::kCode && frame.rax == call.number && --tries != 0);
        ASSERT(!to_the_end || tries != 0); // every call ends
        accepted_ = accepted_ || static_cast<std::int64_t>(frame.rax) >= 0;
    }

    void raise(std::uint32_t vector, std::uint32_t error_code, std::uint64_t address = 0) {
        hypervisor_.machine.this_cpu().fault_address = base::Vaddr{address};
        cpus_.frame().error_code = error_code;
        static_cast<void>(cpus_.enter_by(vector));
    }

    /// A store of the kernel's to where a page table is mapped: `mov %rax, (%rdi)`, or something else.
    void store_to_table() {
        in_kernel();
        if (cpus_.current() == nullptr)
            return;
        static constexpr std::array<std::uint32_t, 4> kStores{0x07'8948, 0x07'8748, 0x07'c10f48, 0x07'ab0f};
        guest_.store(Guest::kCode + 0x10, input_.rarely(8) ? input_.take<std::uint32_t>() : input_.pick(kStores));
        at(Guest::kCode + 0x10);
        auto const address = guest_.address();
        cpus_.frame().rdi = address;
        cpus_.frame().rax = guest_.entry();
        raise(14, 3, address);
    }

    void fault() { raise(14, input_.below(32), guest_.address()); }

    /// What the CPU does not execute for a guest.
    void instruction() {
        in_kernel();
        if (cpus_.current() == nullptr)
            return;
        guest_.store(Guest::kCode + 0x10, input_.take<std::uint64_t>());
        at(Guest::kCode + 0x10);
        cpus_.frame().rdi = guest_.address();
        cpus_.frame().rdx = guest_.small();
        raise(input_.rarely(4) ? 6 : 13, input_.rarely(8) ? input_.byte() : 0);
    }

    /// The guest writes its grant table.
    void grant() {
        auto const table = hypervisor_.dom0->grants.with(
            [](grants::Grants& both) { return both.table.frames() == 0 ? base::Mfn{} : both.table.shared_frame(0); });
        if (!table.valid())
            return make({__HYPERVISOR_grant_table_op, {GNTTABOP_setup_table, setup_of_one()}});
        auto& entry = arch::frame_as<grant_entry_v1_t>(table)[guest_.small()];
        entry = {.flags =
                     static_cast<std::uint16_t>(input_.rarely(4) ? input_.take<std::uint16_t>() : GTF_permit_access),
                 .domid = guest_.domid(),
                 .frame = static_cast<std::uint32_t>(guest_.gfn())};
    }
    std::uint64_t setup_of_one() {
        gnttab_setup_table_t request{};
        request.dom = DOMID_SELF;
        request.nr_frames = 1;
        request.frame_list.p = reinterpret_cast<xen_pfn_t*>(guest_.room(8));
        return guest_.put(request);
    }

    void other() {
        switch (input_.below(4)) {
        case 0: hypervisor_.machine.tsc += std::uint64_t{input_.take<std::uint16_t>()} << input_.below(24); return;
        case 1: static_cast<void>(guest_.store(guest_.address(), guest_.entry())); return; // where it may write itself
        case 2: {                                                                          // to user mode
            iret_context const frame{.rax = 0,
                                     .r11 = 0x202,
                                     .rcx = Guest::kCode,
                                     .flags = input_.rarely(2) ? VGCF_in_syscall : 0U,
                                     .rip = Guest::kCode,
                                     .cs = input_.rarely(4) ? 0xe033U & ~3U : 0xe033U,
                                     .rflags = 0x202,
                                     .rsp = Guest::kStack - 0x200,
                                     .ss = 0xe02b};
            if (!guest_.vcpu().user_root.valid())
                return; // that would be its end
            in_kernel();
            if (cpus_.current() == nullptr)
                return;
            at(Guest::kCode);
            cpus_.frame().rsp = guest_.put(frame);
            cpus_.frame().rax = __HYPERVISOR_iret;
            cpus_.frame().rcx = Guest::kCode + 2;
            static_cast<void>(cpus_.enter_by(arch::kSyscallVector));
            return;
        }
        default: static_cast<void>(cpus_.enter_by(0xf1)); return; // an interrupt
        }
    }

    Input input_;
    test::Hypervisor hypervisor_{{.frames = 3584, .dom0_memory = "5M,max:6M", .vcpus = 2}};
    Cpus cpus_{hypervisor_};
    Guest guest_{hypervisor_, cpus_, input_};
    Calls calls_{guest_};
    bool accepted_ = false;
};

inline bool feed_hypercall(base::Bytes input) { return Session{input}.run(); }

} // namespace fuzz
