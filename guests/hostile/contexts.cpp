/// Contexts for a vCPU that make no sense, by chance and one by one.
#include "lib/test.hpp"
#include "lib/vcpu.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

constexpr unsigned kOther = 1;

template <typename Change> std::int64_t initialise_with(Change const& change) {
    vcpu_guest_context_t& context = make_context(kOther, nullptr, nullptr);
    change(context);
    return vcpu_op(VCPUOP_initialise, kOther, &context);
}

} // namespace

TEST("contexts of any content for a vCPU are refused, or make a vCPU that nobody starts") {
    SKIP_UNLESS(vcpus() > 1, "the domain has one vCPU");
    Dice dice{0xc0de};
    unsigned refused = 0;
    for (unsigned i = 0; i < 300; ++i) {
        vcpu_guest_context_t& context = make_context(kOther, nullptr, nullptr);
        auto* const words = reinterpret_cast<std::uint64_t*>(&context);
        for (unsigned changes = 0; changes < 1 + i % 20; ++changes)
            words[64 + dice.below(sizeof context / 8 - 64)] = sandbox().number(dice);
        context.ctrlreg[3] = sandbox().foreign_frame(dice) << 12; // never a root that would do
        if (context.ctrlreg[3] == root_table().address())
            continue;
        refused += vcpu_op(VCPUOP_initialise, kOther, &context) < 0;
    }
    CHECK(refused > 250);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, kOther), 0);
    check_sanity();
}

TEST("a context with a root that would do is refused for any one thing that would not") {
    SKIP_UNLESS(vcpus() > 1, "the domain has one vCPU");
    using Context = vcpu_guest_context_t;
    std::uint64_t const data = sandbox().page(0).frame().raw();
    for (std::uint64_t const address : {kNotCanonical, std::uint64_t{1} << 63}) {
        CHECK_EQ(initialise_with([&](Context& context) { context.user_regs.rip = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.user_regs.rsp = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.kernel_sp = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.event_callback_eip = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.failsafe_callback_eip = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.syscall_callback_eip = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.fs_base = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.gs_base_kernel = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.gs_base_user = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.ldt_ents = 1, context.ldt_base = address; }), kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.trap_ctxt[14].address = address; }), kEINVAL);
    }
    std::uint64_t const table = sandbox().window().l1.frame().raw();
    for (std::uint64_t const frame : {data, table, std::uint64_t{0xfee00}, std::uint64_t{1} << 40}) {
        CHECK_EQ(initialise_with([&](Context& context) { context.gdt_ents = 512, context.gdt_frames[0] = frame; }),
                 kEINVAL);
        CHECK_EQ(initialise_with([&](Context& context) { context.ctrlreg[1] = frame << 12 | 1; }), kEINVAL);
    }
    CHECK_EQ(initialise_with([&](Context& context) { context.gdt_ents = FIRST_RESERVED_GDT_ENTRY + 1; }), kEINVAL);
    CHECK_EQ(initialise_with([&](Context& context) { context.ldt_ents = 8193; }), kEINVAL);
    CHECK_EQ(initialise_with([&](Context& context) { context.ldt_ents = 1, context.ldt_base = kHypervisor; }), kEINVAL);
    CHECK_EQ(initialise_with([&](Context& context) { context.ldt_ents = 1, context.ldt_base = 8; }), kEINVAL);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, kOther), 0);
    check_sanity();
}
