/// tern-churn: makes many domains of one small kernel through libxenctrl, one after the other or all at once, sees each run, and
/// ends them; then says how many frames are free that were not before. Or it leaves them there. Runs in domain 0, on Tern and on
/// Xen.
#include <getopt.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

extern "C" {
#include <xenctrl.h>
#include <xenguest.h>
}

namespace {

constexpr char const* kUsage = R"(usage: tern-churn KERNEL COUNT [--at-once | --leave] [--memory MIB] [--vcpus N]

Makes COUNT domains of KERNEL, of MIB mebibytes (4) and N vCPUs (1) each. One after the other: each is destroyed once it has run.
--at-once: when all of them have been made, and each has run again since. Prints, in JSON, what it took, and the frames that did not
come back. --leave: they live on, and begin to run when all of them have been made.
)";

[[noreturn]] void fail(char const* what, unsigned nth) {
    std::fprintf(stderr, "tern-churn: %s, of domain %u: %s\n", what, nth, std::strerror(errno));
    std::exit(1);
}

[[noreturn]] void misuse() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

double seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Wish {
    char const* kernel = nullptr;
    unsigned count = 0, mebibytes = 4, vcpus = 1;
    bool at_once = false, leave = false;
};

class Machine {
  public:
    explicit Machine(Wish const& wish) : wish_{wish}, xen_{xc_interface_open(nullptr, nullptr, 0)} {
        if (xen_ == nullptr) {
            std::fputs("tern-churn: there is no hypervisor to ask: this is no domain 0, or not as root\n", stderr);
            std::exit(1);
        }
    }
    ~Machine() { xc_interface_close(xen_); }
    Machine(Machine const&) = delete;
    Machine& operator=(Machine const&) = delete;

    std::uint64_t free_frames() {
        xc_physinfo_t machine{};
        if (xc_physinfo(xen_, &machine) != 0)
            fail("free memory is not told", 0);
        return machine.free_pages;
    }

    /// A domain that start() sets going.
    std::uint32_t make(unsigned nth) {
        std::uint32_t id = 0; // any
        xen_domctl_createdomain config{};
        config.max_vcpus = wish_.vcpus;
        config.max_evtchn_port = 1023;
        config.max_grant_frames = 4;
        config.max_maptrack_frames = 4;
        config.grant_opts = 1; // version 1
        config.arch.emulation_flags = 0;
        if (xc_domain_create(xen_, &id, &config) != 0)
            fail("it is not made", nth);
        if (xc_domain_max_vcpus(xen_, id, wish_.vcpus) != 0)
            fail("it gets no vCPUs", nth);
        if (xc_domain_setmaxmem(xen_, id, (wish_.mebibytes + 1) << 10) != 0)
            fail("it gets no memory", nth);
        build(id, nth);
        return id;
    }
    void start(std::uint32_t id, unsigned nth) {
        if (xc_domain_unpause(xen_, id) != 0)
            fail("it does not start", nth);
    }

    /// Nanoseconds that it has run.
    std::uint64_t ran(std::uint32_t id, unsigned nth) {
        xc_domaininfo_t info{};
        if (xc_domain_getinfolist(xen_, id, 1, &info) != 1 || info.domain != id)
            fail("it is gone", nth);
        if ((info.flags & XEN_DOMINF_shutdown) != 0)
            fail("it has shut itself down", nth);
        return info.cpu_time;
    }
    void see_run(std::uint32_t id, unsigned nth) {
        auto const before = ran(id, nth);
        while (ran(id, nth) == before) {
        }
    }
    void destroy(std::uint32_t id, unsigned nth) {
        if (xc_domain_destroy(xen_, id) != 0)
            fail("it is not destroyed", nth);
    }

  private:
    void build(std::uint32_t id, unsigned nth) {
        xc_dom_image* const image = xc_dom_allocate(xen_, "hz=10", nullptr);
        if (image == nullptr)
            fail("no memory for its image", nth);
        image->flags = 0;
        image->max_vcpus = wish_.vcpus;
        bool const built = xc_dom_kernel_file(image, wish_.kernel) == 0 && xc_dom_boot_xen_init(image, xen_, id) == 0 &&
                           xc_dom_parse_image(image) == 0 && xc_dom_mem_init(image, wish_.mebibytes) == 0 &&
                           xc_dom_boot_mem_init(image) == 0 && xc_dom_build_image(image) == 0 &&
                           xc_dom_boot_image(image) == 0;
        if (!built)
            fail("it is not built", nth);
        xc_dom_release(image);
    }

    Wish const& wish_;
    xc_interface* xen_;
};

unsigned number(char const* text, long most) {
    char* end = nullptr;
    long const value = std::strtol(text, &end, 10);
    if (end == text || *end != 0 || value < 1 || value > most)
        misuse();
    return static_cast<unsigned>(value);
}

Wish parse(int count, char** words) {
    Wish wish;
    option const options[] = {{"at-once", no_argument, nullptr, 'a'},
                              {"leave", no_argument, nullptr, 'l'},
                              {"memory", required_argument, nullptr, 'm'},
                              {"vcpus", required_argument, nullptr, 'v'},
                              {}};
    for (int option = 0; (option = getopt_long(count, words, "", options, nullptr)) != -1;) {
        switch (option) {
        case 'a': wish.at_once = true; break;
        case 'l': wish.leave = true; break;
        case 'm': wish.mebibytes = number(optarg, 1 << 20); break;
        case 'v': wish.vcpus = number(optarg, 128); break;
        default: misuse();
        }
    }
    if (optind + 2 != count || (wish.at_once && wish.leave))
        misuse();
    wish.kernel = words[optind];
    wish.count = number(words[optind + 1], 30'000);
    return wish;
}

void leave(Machine& machine, unsigned count) {
    std::vector<std::uint32_t> all;
    for (unsigned nth = 1; nth <= count; ++nth)
        all.push_back(machine.make(nth));
    for (unsigned nth = 1; auto const id : all)
        machine.start(id, nth++);
}

void churn(Machine& machine, Wish const& wish) {
    // The first one makes what dom0's kernel and libraries keep.
    std::uint32_t const first = machine.make(0);
    machine.start(first, 0);
    machine.see_run(first, 0);
    machine.destroy(first, 0);

    auto const before = machine.free_frames();
    double const begin = seconds();
    double first_took = 0, last_took = 0;
    std::vector<std::uint32_t> alive;
    for (unsigned nth = 1; nth <= wish.count; ++nth) {
        double const start = seconds();
        std::uint32_t const id = machine.make(nth);
        machine.start(id, nth);
        last_took = seconds() - start;
        first_took = nth == 1 ? last_took : first_took;
        machine.see_run(id, nth);
        if (wish.at_once)
            alive.push_back(id);
        else
            machine.destroy(id, nth);
    }
    auto const with_all = machine.free_frames();
    for (unsigned nth = 1; auto const id : alive)
        machine.see_run(id, nth++);
    for (unsigned nth = 1; auto const id : alive)
        machine.destroy(id, nth++);
    std::printf(
        R"({"domains": %u, "at_once": %s, "seconds": %.1f, "first_s": %.3f, "last_s": %.3f, "frames_each": %.1f, "frames_lost": %lld})"
        "\n",
        wish.count, wish.at_once ? "true" : "false", seconds() - begin, first_took, last_took,
        wish.at_once ? static_cast<double>(before - with_all) / wish.count : 0.0,
        static_cast<long long>(before) - static_cast<long long>(machine.free_frames()));
}

} // namespace

int main(int count, char** words) {
    Wish const wish = parse(count, words);
    Machine machine{wish};
    if (wish.leave)
        leave(machine, wish.count);
    else
        churn(machine, wish);
    return 0;
}
