/// What things cost, in cycles of the time stamp counter: the median of many. No test: it prints, and passes.
#include <algorithm>

#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr unsigned kTimes = 1001;

/// The median of the cycles that @p code takes, called with 0, 1, 2...
template <typename Code> std::uint64_t cycles(Code const& code) {
    static std::uint64_t samples[kTimes];
    for (unsigned i = 0; i < kTimes; ++i) {
        std::uint64_t const start = rdtsc();
        code(i);
        samples[i] = rdtsc() - start;
    }
    std::nth_element(samples, samples + kTimes / 2, samples + kTimes);
    return samples[kTimes / 2];
}

template <typename Code> void report(std::string_view what, Code const& code) {
    print("# bench ", cycles(code), " cycles: ", what, "\n");
}

} // namespace

TEST("what things cost has been printed") {
    Window const window = make_window();
    Page const page = fresh_page();
    Entry const mapping = entry(page.frame(), kWritable);
    Port const port = static_cast<Port>(bind_ipi(0));
    clear_pending(port);
    set_masked(port, true);
    use_user_mode();

    report("nothing", [](unsigned) {});
    report("an empty hypercall", [](unsigned) { xen_version(XENVER_version); });
    report("update_va_mapping, to and fro, without a flush",
           [&](unsigned i) { update_va_mapping(window.va(0), i % 2 == 0 ? mapping : 0, UVMF_NONE); });
    report("update_va_mapping, to and fro, with INVLPG",
           [&](unsigned i) { update_va_mapping(window.va(0), i % 2 == 0 ? mapping : 0, UVMF_INVLPG); });
    report("mmu_update of one entry", [&](unsigned i) { window.set(1, i % 2 == 0 ? mapping : 0); });
    report("mmu_update, by entry, of 32 entries", [&](unsigned i) {
        static mmu_update_t updates[32];
        for (unsigned slot = 0; slot < 32; ++slot)
            updates[slot] = {.ptr = window.l1.address_of(32 + slot), .val = i % 2 == 0 ? mapping : 0};
        mmu_updates(updates, 32);
    });
    report("a store to a table, emulated",
           [&](unsigned i) { *const_cast<Entry volatile*>(window.l1.entries()) = i % 2 == 0 ? mapping : 0; });
    // The handler goes on behind the instruction that trapped: UD2 has two bytes, the load three.
    Handler const before = set_handler([](Trap& trap) {
        trap.rip += trap.vector == kPageFault ? 3 : 2;
        return true;
    });
    report("a page fault, and back by iret", [](unsigned) { load_by_rax(0x1000); });
    report("UD2, and back by iret", [](unsigned) { ud2(); });
    set_handler(before);
    report("to user mode, and back by a system call", [](unsigned) { user_trap_of([] {}); });
    report("cpuid, as the hypervisor answers", [](unsigned) { xen_cpuid(0); });
    report("sending an event to a masked port", [&](unsigned) { send(port); });
    report("pinning an L1 that is empty, and unpinning it", [&](unsigned i) {
        if (i == 0)
            page.make_read_only();
        pin(1, page.frame());
        unpin(page.frame());
    });
    report("a new root: the same again", [&](unsigned) { new_root(root_table().frame()); });
    page.make_writable();
    close(port);
}
