/// The debug registers, by MOV and by hypercall (docs/abi.md §3.2, §4.5).
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kAlwaysOne7 = 0x400;
constexpr std::uint64_t kExecute0 = 0x2, kWrite0 = 0x2 | 1 << 16 | 3 << 18, kReadWrite3 = 0x80 | 3U << 28 | 3U << 30;

std::uint64_t volatile watched;

void no_breakpoints() {
    set_debugreg(7, 0);
    set_debugreg(6, 0);
}

} // namespace

TEST("an address set by hypercall is read back, by hypercall and by MOV") {
    CHECK_EQ(set_debugreg(0, 0x1234'5678), 0);
    CHECK_EQ(get_debugreg(0), 0x1234'5678);
    CHECK_EQ(read_dr0(), 0x1234'5678);
    write_dr3(0x8765'4321);
    CHECK_EQ(get_debugreg(3), 0x8765'4321);
    CHECK_EQ(set_debugreg(0, 0), 0);
    CHECK_EQ(set_debugreg(3, 0), 0);
}

TEST("the hypervisor's addresses cannot be watched, and there are no registers beyond 7") {
    CHECK_EQ(set_debugreg(0, 0xffff'8300'0000'0000), kEPERM);
    CHECK_EQ(set_debugreg(1, std::uint64_t{1} << 48), kEPERM);
    CHECK(trap_of([] { write_dr0(0xffff'8300'0000'0000); }).vector == kGeneralProtection);
    CHECK_EQ(set_debugreg(8, 0), kENODEV);
    CHECK_EQ(get_debugreg(8), kENODEV);
    CHECK_EQ(get_debugreg(0), 0);
}

TEST("a breakpoint on an instruction: #DB before it is done, and DR6 says which") {
    CHECK_EQ(set_debugreg(0, word(&somewhere)), 0);
    CHECK_EQ(set_debugreg(7, kExecute0), 0);
    Caught const trap = trap_of([] { somewhere(); });
    CHECK_EQ(trap.vector, kDebug);
    CHECK_EQ(trap.rip, word(&somewhere));
    CHECK_EQ(get_debugreg(6) & 0xf, 1);
    no_breakpoints();
    CHECK_EQ(trap_of([] { somewhere(); }).vector, kNoTrap);
}

TEST("a watch on a word that is written: #DB after the write; reading it is nothing") {
    CHECK_EQ(set_debugreg(0, word(&watched)), 0);
    CHECK_EQ(set_debugreg(7, kWrite0), 0);
    CHECK_EQ(trap_of([] { touch(watched); }).vector, kNoTrap);
    Caught const trap = trap_of([] { watched = 7; });
    CHECK_EQ(trap.vector, kDebug);
    CHECK_EQ(watched, 7);
    CHECK_EQ(get_debugreg(6) & 0xf, 1);
    no_breakpoints();
    CHECK_EQ(trap_of([] { watched = 8; }).vector, kNoTrap);
}

TEST("a watch on a word that is read, by the last of the four registers, set by MOV") {
    write_dr3(word(&watched));
    write_dr7(kReadWrite3);
    CHECK_EQ(trap_of([] { touch(watched); }).vector, kDebug);
    CHECK_EQ(read_dr6() & 0xf, 8);
    no_breakpoints();
}

TEST("DR7 reads as it was written, with the bit that is always one") {
    CHECK_EQ(set_debugreg(7, kExecute0), 0);
    CHECK_EQ(get_debugreg(7) | kAlwaysOne7, kExecute0 | kAlwaysOne7);
    no_breakpoints();
    CHECK_EQ(get_debugreg(7) & 0xff, 0);
}

TEST("access to the debug registers themselves cannot be watched") {
    CHECK_EQ(set_debugreg(7, 1 << 13), kEPERM);
    CHECK_EQ(trap_of([] { (void)read_dr0(); }).vector, kNoTrap);
}

TEST("what the hypervisor writes for the guest does not hit a watch") {
    static xen_platform_parameters_t parameters;
    CHECK_EQ(set_debugreg(0, word(&parameters)), 0);
    CHECK_EQ(set_debugreg(7, kWrite0), 0);
    CHECK_EQ(trap_of([] { xen_version(XENVER_platform_parameters, &parameters); }).vector, kNoTrap);
    no_breakpoints();
}
