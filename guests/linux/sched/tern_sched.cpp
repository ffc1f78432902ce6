/// tern-sched: shows and sets what vCPUs of a domain have reserved of the CPUs (abi/tern.h). Runs in domain 0.
#include <fcntl.h>
#include <getopt.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include <xen/xen.h>

#include <abi/tern.h>
#include <xen/sys/privcmd.h>

namespace {

constexpr char const* kUsage = R"(usage: tern-sched DOMID [--vcpu N] [--period MS --slice MS | --none]

Each vCPU of the domain, or vCPU N, has SLICE milliseconds of a CPU in each PERIOD before all who have reserved nothing;
beyond that it goes on by its weight. Without --slice or --none: shows what is reserved. `xl domid NAME` tells a DOMID.
)";

[[noreturn]] void fail(char const* what, char const* hint) {
    std::fprintf(stderr, "tern-sched: %s: %s\n", what, hint);
    std::exit(1);
}

[[noreturn]] void misuse() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

/// privcmd, and a page that the hypervisor can reach.
class Door {
  public:
    Door() {
        privcmd_ = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
        int const buffers = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
        if (privcmd_ < 0 || buffers < 0)
            fail("/dev/xen/privcmd", "this is no domain 0, or not as root");
        page_ = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, buffers, 0);
        if (page_ == MAP_FAILED)
            fail("/dev/xen/hypercall", std::strerror(errno));
    }

    /// 0, or the error's number.
    int call(unsigned command, tern_reservation& reservation) {
        std::memcpy(page_, &reservation, sizeof reservation);
        privcmd_hypercall request{};
        request.op = __HYPERVISOR_tern_op;
        request.arg[0] = command;
        request.arg[1] = reinterpret_cast<unsigned long>(page_);
        int const failed = ioctl(privcmd_, IOCTL_PRIVCMD_HYPERCALL, &request) == 0 ? 0 : errno;
        std::memcpy(&reservation, page_, sizeof reservation);
        return failed;
    }

  private:
    int privcmd_ = -1;
    void* page_ = nullptr;
};

struct Wish {
    std::uint16_t domain = 0;
    std::optional<std::uint32_t> vcpu;
    std::optional<double> period, slice; ///< in milliseconds
    bool none = false;
    [[nodiscard]] bool changes() const { return none || slice; }
};

double number(char const* text, double most) {
    char* end = nullptr;
    double const value = std::strtod(text, &end);
    if (end == text || *end != 0 || !(value >= 0) || value > most)
        fail(text, "not a number that can be meant here");
    return value;
}

Wish parse(int count, char** words) {
    constexpr option kOptions[] = {
        {"vcpu", required_argument, nullptr, 'v'},  {"period", required_argument, nullptr, 'p'},
        {"slice", required_argument, nullptr, 's'}, {"none", no_argument, nullptr, 'n'},
        {"help", no_argument, nullptr, 'h'},        {}};
    Wish wish;
    for (int given = 0; (given = getopt_long(count, words, "", kOptions, nullptr)) != -1;) {
        switch (given) {
        case 'v': wish.vcpu = static_cast<std::uint32_t>(number(optarg, 1023)); break;
        case 'p': wish.period = number(optarg, 1e6); break;
        case 's': wish.slice = number(optarg, 1e6); break;
        case 'n': wish.none = true; break;
        case 'h': std::fputs(kUsage, stdout); std::exit(0);
        default: misuse();
        }
    }
    if (optind + 1 != count || wish.period.has_value() != wish.slice.has_value() || (wish.none && wish.slice))
        misuse();
    wish.domain = static_cast<std::uint16_t>(number(words[optind], DOMID_FIRST_RESERVED - 1));
    return wish;
}

char const* reason(int error) {
    switch (error) {
    case ENOSYS: return "the hypervisor is not Tern";
    case ESRCH: return "there is no such domain: see `xl list`";
    case ENOENT: return "there is no such vCPU: see `xl vcpu-list`";
    case EINVAL: return "the slice must be at least 0.1 ms and at most the period, the period at most 1000 ms";
    case ENOSPC: return "no CPU has so much left to reserve: nine tenths of each can be";
    default: return std::strerror(error);
    }
}

/// What is reserved by each vCPU that is meant.
std::vector<tern_reservation> read(Door& door, Wish const& wish) {
    std::vector<tern_reservation> all;
    for (std::uint32_t vcpu = wish.vcpu.value_or(0);; ++vcpu) {
        tern_reservation one{};
        one.domain = wish.domain;
        one.vcpu = vcpu;
        int const failed = door.call(TERN_get_reservation, one);
        if (failed == ENOENT && !all.empty())
            return all;
        if (failed != 0)
            fail("cannot read the reservation", reason(failed));
        all.push_back(one);
        if (wish.vcpu)
            return all;
    }
}

/// All of them or none.
void change(Door& door, Wish const& wish, std::vector<tern_reservation> const& before) {
    constexpr double kNanoseconds = 1e6;
    for (std::size_t done = 0; done < before.size(); ++done) {
        auto one = before[done];
        one.period = static_cast<std::uint64_t>(wish.period.value_or(0) * kNanoseconds);
        one.slice = static_cast<std::uint64_t>(wish.slice.value_or(0) * kNanoseconds);
        int const failed = door.call(TERN_set_reservation, one);
        if (failed == 0)
            continue;
        while (done-- > 0) {
            auto old = before[done];
            door.call(TERN_set_reservation, old);
        }
        fail("nothing is reserved", reason(failed));
    }
}

} // namespace

int main(int count, char** words) {
    auto const wish = parse(count, words);
    Door door;
    auto all = read(door, wish);
    if (wish.changes()) {
        change(door, wish, all);
        return 0;
    }
    std::puts("vcpu  period(ms)  slice(ms)");
    for (auto const& one : all) {
        if (one.slice == 0)
            std::printf("%4u           -          -\n", one.vcpu);
        else
            std::printf("%4u  %10.3f %10.3f\n", one.vcpu, static_cast<double>(one.period) / 1e6,
                        static_cast<double>(one.slice) / 1e6);
    }
    return 0;
}
