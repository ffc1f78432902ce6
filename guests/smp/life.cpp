/// How vCPUs are started and stopped (docs/abi.md §7).
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/trap.hpp"
#include "other.hpp"

using namespace lib;

namespace {

bool is_up(unsigned vcpu) { return vcpu_op(VCPUOP_is_up, vcpu) == 1; }

/// While it lives, the other vCPU does nothing but count.
class Counting {
  public:
    Counting() {
        count = 0;
        stop_ = false;
        auto go_on = [] {
            while (!stop_)
                count = count + 1;
        };
        start_on(kOther, go_on);
    }
    Counting(Counting const&) = delete;
    Counting& operator=(Counting const&) = delete;
    ~Counting() {
        stop_ = true;
        wait_for(kOther);
    }

    static inline std::uint64_t volatile count;

  private:
    static inline bool volatile stop_;
};

} // namespace

TEST("vCPU 0 is up; the others are there, and down; those beyond the last are not") {
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 0), 1);
    for (unsigned vcpu = 1; vcpu < vcpus(); ++vcpu)
        CHECK_EQ(vcpu_op(VCPUOP_is_up, vcpu), 0);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1000), kENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_up, 1000), kENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_down, 1000), kENOENT);
    CHECK_EQ(vcpu_op(99, 0), kENOSYS);
}

TEST("vCPU 0 cannot be initialised again") {
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 0, &make_context(kOther, nullptr, nullptr)), kEEXIST);
}

TEST("a vCPU that has not been initialised cannot go up") {
    SKIP_UNLESS_TWO();
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), kEINVAL);
}

TEST("a context that makes no sense is refused, and may be given again, mended") {
    SKIP_UNLESS_TWO();
    auto const refused_with = [](auto change) {
        vcpu_guest_context_t& context = make_context(kOther, nullptr, nullptr);
        change(context);
        return vcpu_op(VCPUOP_initialise, kOther, &context);
    };
    CHECK_EQ(vcpu_op(VCPUOP_initialise, kOther, reinterpret_cast<void*>(0x1000)), kEFAULT);
    CHECK_EQ(refused_with([](auto& context) { context.ctrlreg[3] = ~std::uint64_t{0}; }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.ctrlreg[3] = fresh_page().address(); }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.event_callback_eip = std::uint64_t{1} << 48; }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.gdt_ents = 10'000; }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) {
                 context.gdt_ents = 512;
                 context.gdt_frames[0] = fresh_page().frame().raw(); // mapped writable
             }),
             kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.ldt_ents = 8193; }), kEINVAL);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, kOther), 0);
}

TEST("the words of a vCPU that is down can be moved by another one") {
    SKIP_UNLESS_TWO();
    Page const page = fresh_page();
    vcpu_register_vcpu_info_t const request{.mfn = page.frame().raw(), .offset = 64, .rsvd = 0};
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, kOther, &request), 0);
    vcpu_area(kOther).info = reinterpret_cast<vcpu_info_t*>(page.va() + 64);
    CHECK_EQ(vcpu_area(kOther).info->evtchn_upcall_pending, 1);
}

TEST("a vCPU begins where its context says, with what its context says, and is up") {
    SKIP_UNLESS_TWO();
    struct Seen {
        std::uint64_t cs, ss, rflags, cr3, fs_base, gs_base, area;
        bool masked, ports;
    } seen{};
    run_on(kOther, [&seen] {
        seen = {read_cs(),
                read_ss(),
                read_rflags(),
                read_cr3(),
                rdmsr(0xc000'0100),
                rdmsr(0xc000'0101),
                word(&this_vcpu()),
                this_vcpu().info->evtchn_upcall_mask != 0,
                trap_of([] { out<std::uint8_t>(0x80, 0); }).vector == kNoTrap};
    });
    CHECK_EQ(seen.cs, FLAT_KERNEL_CS);
    CHECK_EQ(seen.ss, FLAT_KERNEL_SS);
    CHECK((seen.rflags & kInterruptFlag) != 0);
    CHECK_EQ(seen.cr3, root_table().address());
    CHECK_EQ(seen.fs_base, 0);
    CHECK_EQ(seen.gs_base, 0);
    CHECK_EQ(seen.area, word(&vcpu_area(kOther)));
    CHECK(seen.masked); // by its words, not by its context
    CHECK(seen.ports);  // its context's RFLAGS had a virtual IOPL of 1
    CHECK(is_up(kOther));
    CHECK_EQ(vcpu_op(VCPUOP_initialise, kOther, &make_context(kOther, nullptr, nullptr)), kEEXIST);
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), 0); // it is: that is no error
}

TEST("traps, callbacks and stacks are each vCPU's own") {
    SKIP_UNLESS_TWO();
    Caught other{};
    run_on(kOther, [&other] {
        use_user_mode();
        other = user_trap_of([] { ud2(); });
    });
    CHECK_EQ(other.vector, kInvalidOpcode);
    CHECK(other.frame > word(vcpu_area(kOther).trap_stack) && other.frame < vcpu_area(kOther).trap_stack_top());
    CHECK_EQ(trap_of([] { ud2(); }).vector, kInvalidOpcode);
}

TEST("each vCPU has its own CR2") {
    SKIP_UNLESS_TWO();
    run_on(kOther, [] { trap_of([] { touch(*reinterpret_cast<char volatile*>(0x2220)); }); });
    trap_of([] { touch(*reinterpret_cast<char volatile*>(0x1110)); });
    CHECK_EQ(vcpu_area(kOther).info->arch.cr2, 0x2220);
    CHECK_EQ(this_vcpu().info->arch.cr2, 0x1110);
}

TEST("a vCPU that takes itself down goes on behind that call when it is brought up again") {
    SKIP_UNLESS_TWO();
    static std::int64_t answer;
    answer = 99;
    auto down = [] { answer = vcpu_op(VCPUOP_down, kOther); };
    start_on(kOther, down);
    CHECK(wait_until([] { return !is_up(kOther); }));
    CHECK_EQ(answer, 99);
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), 0);
    wait_for(kOther);
    CHECK_EQ(answer, 0);
    CHECK(is_up(kOther));
}

TEST("a vCPU can be taken down by another one, and then does nothing until it is up again") {
    SKIP_UNLESS_TWO();
    Counting const other;
    CHECK(wait_until([] { return Counting::count > 1000; }));
    CHECK_EQ(vcpu_op(VCPUOP_down, kOther), 0);
    CHECK(!is_up(kOther));
    // It may take a moment until it has stopped.
    std::uint64_t before = 0;
    CHECK(wait_until([&] {
        before = Counting::count;
        for (std::uint64_t const end = now() + 5 * kMillisecond; now() < end;)
            sched_op(SCHEDOP_yield);
        return Counting::count == before;
    }));
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), 0);
    CHECK(wait_until([&] { return Counting::count > before; }));
}

TEST("a vCPU that yields lets another one run that waits for the same CPU") {
    SKIP_UNLESS(shares_cpu(), "needs two vCPUs on one CPU (say shares-cpu on the command line)");
    Counting const other;
    for (unsigned i = 0; i < 20; ++i) {
        std::uint64_t const before = Counting::count;
        CHECK_EQ(sched_op(SCHEDOP_yield), 0);
        CHECK(Counting::count > before);
    }
}

TEST("dom0's kernel may have a vCPU run on one CPU for a while") {
    auto const choose = [](std::int32_t cpu) {
        sched_pin_override_t const request{.pcpu = cpu};
        return sched_op(SCHEDOP_pin_override, &request);
    };
    CHECK_EQ(choose(-1), unless_domu(kEINVAL)); // there is nothing to end
    CHECK_EQ(choose(0), unless_domu(0));
    CHECK_EQ(choose(0), unless_domu(kEBUSY));
    CHECK_EQ(choose(-1), unless_domu(0));
    CHECK_EQ(choose(1 << 20), unless_domu(kEINVAL));
}
