/// tern-harvest: has a domain's writes logged for a while, asks for them at a steady pace, and says what that took. Through
/// libxenctrl, in domain 0, on Tern and on Xen.
#include <getopt.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <xenctrl.h>

#include <xencall.h>
}

#include "abi/tern.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr char const* kUsage = R"(usage: tern-harvest [--tracker dirty-bits|write-protect] DOMID COUNT MILLISECONDS

Logs what domain DOMID writes, and asks COUNT times, each MILLISECONDS, for what it has written since. Prints, in JSON, how long it took to
begin, and for each time how long the answer took, in microseconds, and how many frames it had. With --tracker it is begun by Tern's
own hypercall, which tells for how many nanoseconds the domain stood still; writes are found by the processor's dirty bits, or, to
compare with, by a fault at the first write to each page.
)";

[[noreturn]] void misuse() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

[[noreturn]] void fail(char const* what) {
    std::fprintf(stderr, "tern-harvest: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

unsigned number(char const* text) {
    char* end = nullptr;
    unsigned long const value = std::strtoul(text, &end, 10);
    if (end == text || *end != 0 || value > 1'000'000)
        misuse();
    return static_cast<unsigned>(value);
}

template <typename Work> long microseconds(Work&& work) {
    auto const begin = Clock::now();
    work();
    return static_cast<long>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count());
}

/// The domain's writes are logged from now on, by Xen's hypercall.
void track(xc_interface* xen, unsigned domain) {
    if (xc_shadow_control(xen, domain, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, nullptr, 0) != 0)
        fail("its writes cannot be logged");
}

/// The same by Tern's, in a way of @p mode. Answers for how many nanoseconds the domain stood still.
unsigned long track(unsigned domain, std::uint16_t mode) {
    xencall_handle* const calls = xencall_open(nullptr, 0);
    auto* const request =
        calls == nullptr ? nullptr : static_cast<tern_track*>(xencall_alloc_buffer(calls, sizeof(tern_track)));
    if (request == nullptr)
        fail("no memory for a hypercall");
    *request = {.domain = static_cast<std::uint16_t>(domain), .mode = mode, .unused = 0, .stopped = 0};
    if (xencall2(calls, __HYPERVISOR_tern_op, TERN_track, reinterpret_cast<std::uint64_t>(request)) != 0)
        fail("--tracker is for a guest on Tern, which nobody tracks");
    auto const stopped = request->stopped;
    xencall_free_buffer(calls, request);
    xencall_close(calls);
    return stopped;
}

std::uint16_t tracker(char const* name) {
    if (std::strcmp(name, "dirty-bits") == 0)
        return TERN_TRACK_harvest;
    if (std::strcmp(name, "write-protect") == 0)
        return TERN_TRACK_write_protect;
    misuse();
}

struct Round {
    long took;
    unsigned dirty;
};

} // namespace

int main(int count, char** words) {
    constexpr option kOptions[] = {
        {"tracker", required_argument, nullptr, 't'}, {"help", no_argument, nullptr, 'h'}, {}};
    std::optional<std::uint16_t> mode; // none: by Xen's hypercall
    for (int chosen; (chosen = getopt_long(count, words, "", kOptions, nullptr)) != -1;) {
        if (chosen == 'h')
            return std::fputs(kUsage, stdout), 0;
        if (chosen != 't')
            misuse();
        mode = tracker(optarg);
    }
    if (count - optind != 3)
        misuse();
    words += optind - 1;
    unsigned const domain = number(words[1]), rounds = number(words[2]), pause = number(words[3]);
    xc_interface* const xen = xc_interface_open(nullptr, nullptr, 0);
    if (xen == nullptr)
        fail("there is no hypervisor to ask: this is no domain 0, or not as root");
    xen_pfn_t last = 0;
    if (xc_domain_maximum_gpfn(xen, domain, &last) != 0)
        fail("no such domain");
    unsigned long const pages = last + 1;
    xc_hypercall_buffer_t buffer{}; // DECLARE_HYPERCALL_BUFFER, which is no C++
    buffer.ubuf = reinterpret_cast<void*>(-1L);
    auto const* const bitmap = static_cast<unsigned long const*>(
        xc__hypercall_buffer_alloc_pages(xen, &buffer, static_cast<int>(pages / (8 * 4096UL) + 1)));
    if (bitmap == nullptr)
        fail("no memory for the bitmap");

    std::optional<unsigned long> stopped; // Xen does not tell
    long const start = microseconds([&] {
        if (mode)
            stopped = track(domain, *mode);
        else
            track(xen, domain);
    });
    std::vector<Round> taken;
    auto next = Clock::now();
    for (unsigned round = 0; round < rounds; ++round) {
        std::this_thread::sleep_until(next += std::chrono::milliseconds{pause});
        xc_shadow_op_stats_t stats{};
        long const took = microseconds([&] {
            if (xc_logdirty_control(xen, domain, XEN_DOMCTL_SHADOW_OP_CLEAN, &buffer, pages, 0, &stats) !=
                static_cast<long long>(pages))
                fail("what it has written is not told");
        });
        unsigned dirty = 0;
        for (unsigned long word = 0; word < pages / (8 * sizeof *bitmap); ++word)
            dirty += static_cast<unsigned>(__builtin_popcountl(bitmap[word]));
        taken.push_back({took, dirty});
    }
    if (xc_shadow_control(xen, domain, XEN_DOMCTL_SHADOW_OP_OFF, nullptr, 0) != 0)
        fail("logging does not end");
    std::printf(R"({"pages": %lu, "start_us": %ld, "stopped_ns": %s, "rounds": [)", pages, start,
                stopped ? std::to_string(*stopped).c_str() : "null");
    for (std::size_t i = 0; i < taken.size(); ++i)
        std::printf(R"(%s{"us": %ld, "dirty": %u})", i == 0 ? "" : ", ", taken[i].took, taken[i].dirty);
    std::puts("]}");
    return 0;
}
