/// A guest's life: started, tested, ended.
#include <cstddef>

#include "lib/events.hpp"
#include "lib/guest.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

extern "C" lib::TestCase const tests_start[];
extern "C" lib::TestCase const tests_end[];

namespace lib {
namespace {

start_info_t* info = nullptr;
bool failed = false;
char const* skipped = nullptr;
alignas(4096) std::byte shared_page[4096];

/// Runs every test of the guest; true if all passed.
bool run_tests() {
    unsigned number = 0;
    bool all_passed = true;
    print("1..", tests_end - tests_start, "\n");
    for (TestCase const* test = tests_start; test != tests_end; ++test) {
        failed = false;
        skipped = nullptr;
        test->run();
        print(failed ? "not ok " : "ok ", ++number, " - ", test->sentence, skipped != nullptr ? " # SKIP " : "",
              skipped != nullptr ? skipped : "", "\n");
        all_passed = all_passed && !failed;
    }
    return all_passed;
}

void map_shared() {
    auto const refused = update_va_mapping(shared_page, info->shared_info | kWritable, UVMF_INVLPG);
    if (refused == 0)
        return;
    print("# the shared info page cannot be mapped: ", refused, "\n");
    shut_down(Verdict::failed);
}

} // namespace

start_info_t& startup() { return *info; }
shared_info_t& shared() { return *reinterpret_cast<shared_info_t*>(shared_page); }
std::string_view command_line() { return reinterpret_cast<char const*>(info->cmd_line); }
std::string_view option(std::string_view key) {
    auto words = command_line();
    auto const at = words.find(key);
    if (at == std::string_view::npos)
        return {};
    words.remove_prefix(at + key.size());
    auto const end = words.find(' ');
    return {words.data(), end == std::string_view::npos ? words.size() : end};
}
domid_t self() {
    static domid_t const id = [] {
        evtchn_status_t offer{
            .dom = DOMID_SELF, .port = static_cast<Port>(alloc_unbound()), .status = 0, .vcpu = 0, .u = {}};
        event_channel_op(EVTCHNOP_status, &offer);
        close(offer.port);
        return offer.u.unbound.dom;
    }();
    return id;
}
bool is_dom0() { return (info->flags & SIF_INITDOMAIN) != 0; }

void shut_down(Verdict verdict) {
    drain_console();
    sched_shutdown_t const request{.reason = static_cast<unsigned>(verdict)};
    for (;;)
        sched_op(SCHEDOP_shutdown, &request);
}

void fail(char const* file, int line, char const* what) {
    failed = true;
    print("# ", file, ":", line, ": ", what, "\n");
}

void fail(char const* file, int line, char const* what, std::uint64_t got, std::uint64_t wanted) {
    fail(file, line, what);
    print("#     got ", static_cast<std::int64_t>(got), " (", Hex{got}, "), wanted ", static_cast<std::int64_t>(wanted),
          " (", Hex{wanted}, ")\n");
}

void skip(char const* why) { skipped = why; }

} // namespace lib

extern "C" [[noreturn]] void guest_start(start_info_t* info) {
    lib::info = info;
    lib::map_shared();
    lib::open_console();
    for (unsigned id = 0; id < lib::kMostVcpus; ++id) {
        lib::vcpu_area(id).id = id;
        lib::vcpu_area(id).info = &lib::shared().vcpu_info[id];
    }
    lib::set_traps();
    lib::shut_down(lib::run_tests() ? lib::Verdict::passed : lib::Verdict::failed);
}
