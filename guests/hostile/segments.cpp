/// Descriptors by chance, in the GDT and the LDT: whatever is loaded or called through, the guest stays in ring 3.
#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

/// A far call through @p selector: to a code segment, a gate, or nowhere.
Caught call_through(std::uint16_t selector, std::uint32_t offset) {
    return trap_of([&] { far_call({offset, selector}); });
}

/// Loads it into every data segment register.
void load_everywhere(std::uint16_t selector) {
    trap_of([&] { write_ds(selector); });
    trap_of([&] { write_es(selector); });
    trap_of([&] { write_fs(selector); });
    trap_of([&] { write_gs(selector); });
    trap_of([&] { write_ss(selector); });
    write_ds(0), write_es(0), write_fs(0), write_gs(0);
    write_ss(FLAT_KERNEL_SS);
}

/// Any descriptor; often one of the kinds that lead to more privilege.
std::uint64_t any_descriptor(Dice& dice) {
    constexpr std::uint64_t kPresent = std::uint64_t{1} << 47;
    std::uint64_t const kinds[] = {0x00af'9b00'0000'ffff,                       // 64-bit code of privilege 0
                                   0x00af'9f00'0000'ffff,                       // the same, conforming
                                   0x00cf'9300'0000'ffff,                       // data of privilege 0
                                   0x0000'ec00'e008'0000 | dice.below(0x10000), // a call gate to the hypervisor's code
                                   0x0000'ec00'0018'0000,                       // a call gate to another descriptor
                                   0x0000'8900'0000'0067,                       // a TSS
                                   0x0000'e200'0000'0067,                       // an LDT
                                   0x0000'8e00'e008'0000,                       // an interrupt gate
                                   0x0000'e500'0000'0000,                       // a task gate
                                   0x00ef'fb00'0000'ffff,                       // code, 32 and 64 bits at once
                                   dice.next(),
                                   dice.next() | kPresent,
                                   dice.next() & ~(std::uint64_t{1} << 44)};
    return dice.one_of(kinds);
}

} // namespace

TEST("descriptors of any kind, put into the GDT in use, loaded, and called through") {
    Dice dice{0x6d7};
    Page const table = sandbox().page(0);
    table.make_read_only();
    std::uint64_t const frame = table.frame().raw();
    CHECK_EQ(set_gdt(&frame, 512), 0);
    unsigned accepted = 0;
    for (unsigned i = 0; i < 600; ++i) {
        auto const slot = static_cast<unsigned>(1 + dice.below(8));
        if (update_descriptor(table.address_of(slot), any_descriptor(dice)) != 0)
            continue;
        ++accepted;
        for (unsigned privilege = 0; privilege < 4; privilege += 3) {
            auto const selector = static_cast<std::uint16_t>(slot * 8 + privilege);
            load_everywhere(selector);
            Caught const trap = call_through(selector, 0x1234);
            if (trap.vector == kNoTrap || (read_cs() & 3) != 3)
                return fail(__FILE_NAME__, __LINE__, "still in ring 3", trap.vector, read_cs());
        }
    }
    print("# ", accepted, " accepted\n");
    CHECK(accepted > 50);
    CHECK_EQ(set_gdt(nullptr, 0), 0);
    sandbox().clear();
    check_sanity();
}

TEST("the same in an LDT") {
    Dice dice{0x1d7};
    Page const table = sandbox().page(0);
    for (unsigned i = 0; i < 100; ++i) {
        table.make_writable();
        for (unsigned slot = 0; slot < 4; ++slot)
            table[slot] = any_descriptor(dice);
        table.make_read_only();
        CHECK_EQ(mmuext(MMUEXT_SET_LDT, table.va(), 4), 0);
        for (unsigned slot = 0; slot < 5; ++slot) {
            auto const selector = static_cast<std::uint16_t>(slot * 8 + 7);
            load_everywhere(selector);
            Caught const trap = call_through(selector, 0x1234);
            if (trap.vector == kNoTrap || (read_cs() & 3) != 3)
                return fail(__FILE_NAME__, __LINE__, "still in ring 3", trap.vector, read_cs());
        }
        CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    }
    sandbox().clear();
    check_sanity();
}

TEST("every selector there is, without a GDT of the guest's") {
    for (unsigned selector = 0; selector < 0x10000; selector += 8) {
        auto const asked = static_cast<std::uint16_t>(selector | 3);
        trap_of([&] { write_es(asked); });
        if (selector >= 0xe000 && selector < 0xe100)
            load_everywhere(asked);
    }
    write_es(0);
    // Far calls through the hypervisor's own: its code of privilege 0 is not to be had.
    for (unsigned selector = 0xe000; selector < 0xe100; selector += 8) {
        Caught const trap = call_through(static_cast<std::uint16_t>(selector | 3), 0x1234);
        CHECK(trap.vector != kNoTrap);
    }
    check_sanity();
}
