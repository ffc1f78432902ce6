/// A guest's life: started, tested, ended.
#include <cstddef>

#include "lib/guest.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

extern "C" lib::TestCase const tests_start[];
extern "C" lib::TestCase const tests_end[];
extern "C" std::uint64_t const trap_doors[256];

namespace lib {
namespace {

start_info_t* info = nullptr;
bool failed = false;
Handler handler = nullptr;
alignas(4096) std::byte shared_page[4096];

/// Runs every test of the guest; true if all passed.
bool run_tests() {
    std::uint64_t number = 0;
    bool all_passed = true;
    print("1..", static_cast<std::uint64_t>(tests_end - tests_start), "\n");
    for (TestCase const* test = tests_start; test != tests_end; ++test) {
        failed = false;
        test->run();
        print(failed ? "not ok " : "ok ", ++number, " - ", test->sentence, "\n");
        all_passed = all_passed && !failed;
    }
    return all_passed;
}

void map_shared_info() {
    constexpr std::uint64_t kPresentWritableUser = 0x67;
    auto const refused = hypercall(__HYPERVISOR_update_va_mapping, shared_page,
                                   info->shared_info | kPresentWritableUser, UVMF_INVLPG | UVMF_LOCAL);
    if (refused == 0)
        return;
    print("the shared info page cannot be mapped: ", refused, "\n");
    shut_down(Verdict::failed);
}

} // namespace

start_info_t& start_info() { return *info; }
shared_info_t& shared_info() { return *reinterpret_cast<shared_info_t*>(shared_page); }
std::string_view command_line() { return reinterpret_cast<char const*>(info->cmd_line); }

void shut_down(Verdict verdict) {
    sched_shutdown_t const request{.reason = static_cast<unsigned>(verdict)};
    for (;;)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &request);
}

void fail(char const* file, int line, char const* what) {
    failed = true;
    print("# ", file, ":", line, ": ", what, "\n");
}

void fail(char const* file, int line, char const* what, std::int64_t got, std::int64_t wanted) {
    fail(file, line, what);
    print("#     got ", got, " (", Hex{static_cast<std::uint64_t>(got)}, "), wanted ", wanted, " (",
          Hex{static_cast<std::uint64_t>(wanted)}, ")\n");
}

Handler set_handler(Handler fresh) {
    Handler const old = handler;
    handler = fresh;
    return old;
}

std::uint64_t fault_address() { return shared_info().vcpu_info[0].arch.cr2; }

void set_traps() {
    static trap_info_t table[257]; // the last one, of zeros, ends it
    for (unsigned vector = 0; vector < 256; ++vector) {
        bool const open = vector == 3 || vector == 4 || vector == 0x80;
        table[vector] = {.vector = static_cast<std::uint8_t>(vector),
                         .flags = static_cast<std::uint8_t>(open ? 3 : 0),
                         .cs = FLAT_KERNEL_CS,
                         .address = trap_doors[vector]};
    }
    CHECK_EQ(hypercall(__HYPERVISOR_set_trap_table, table), 0);
}

} // namespace lib

extern "C" void guest_trap(lib::Trap* trap) {
    if (lib::handler != nullptr && lib::handler(*trap))
        return;
    lib::print("# unexpected exception ", trap->vector, " error ", lib::Hex{trap->error_code}, " at ",
               lib::Hex{trap->rip}, " address ", lib::Hex{lib::fault_address()}, "\n");
    lib::shut_down(lib::Verdict::failed);
}

extern "C" [[noreturn]] void guest_start(start_info_t* info) {
    lib::info = info;
    lib::map_shared_info();
    lib::set_traps();
    lib::shut_down(lib::run_tests() ? lib::Verdict::passed : lib::Verdict::failed);
}
