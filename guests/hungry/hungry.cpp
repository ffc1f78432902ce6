/// A small guest that wants a whole CPU until it is ended, and says each second what its first vCPU had of one, by the hypervisor's
/// account. `how=` chooses the manner; without it the domain's number does, so that many made alike are of every kind.
#include "lib/events.hpp"
#include "lib/test.hpp"
#include "lib/vcpu.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kMicrosecond = 1000, kSecond = 1000 * kMillisecond;
constexpr std::uint64_t kForEver = ~std::uint64_t{0};

/// Runs for `burst`, then does `rest`, again and again.
struct Manner {
    std::string_view word;
    std::uint64_t burst;
    void (*rest)();
};

void go_on() {}
void give_way() { sched_op(SCHEDOP_yield); }
/// Just before its slice (5 ms) would have ended: who comes from sleep is preferred to who has used it up.
void nap() { poll(nullptr, 0, now() + 50 * kMicrosecond); }

Port calls[2]; ///< to each of two vCPUs
void wake_the_other_and_wait() {
    auto const id = this_vcpu().id;
    send(calls[1 - id]);
    poll(&calls[id], 1);
    clear_pending(calls[id]);
}

constexpr Manner kManners[] = {{"spin", kForEver, go_on},
                               {"yield", 20 * kMicrosecond, give_way},
                               {"nap", 4900 * kMicrosecond, nap},
                               {"wake", 150 * kMicrosecond, wake_the_other_and_wait}};

Manner const& manner() {
    for (auto const& one : kManners)
        if (option("how=") == one.word)
            return one;
    return kManners[self() % std::size(kManners)];
}

/// Of the first vCPU, since it was made: nanoseconds on a CPU, and all of them.
struct Had {
    std::uint64_t running = 0, all = 0;
};
Had had() {
    vcpu_runstate_info_t told{};
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &told), 0);
    Had sum{.running = told.time[RUNSTATE_running]};
    for (auto const time : told.time)
        sum.all += time;
    return sum;
}

class Seconds {
  public:
    /// Says what was had, if a second is over.
    void look() {
        if (now() < end_)
            return;
        Had const upto = had();
        print("# second ", ++number_, ": ran ", upto.running - before_.running, " of ", upto.all - before_.all,
              " ns\n");
        before_ = upto;
        end_ = now() + kSecond;
    }

  private:
    std::uint64_t number_ = 0, end_ = now() + kSecond;
    Had before_ = had();
};

void spend(std::uint64_t burst, Seconds* seconds) {
    for (std::uint64_t const begin = now(); now() - begin < burst;)
        if (seconds != nullptr)
            seconds->look();
}

} // namespace

TEST("it is hungry until it is ended") {
    Manner const& how = manner();
    auto other = [&how] {
        for (;; how.rest())
            spend(how.burst, nullptr);
    };
    if (how.rest == wake_the_other_and_wait) {
        for (unsigned id = 0; id < 2; ++id) {
            calls[id] = static_cast<Port>(bind_ipi(id));
            set_masked(calls[id], true); // it is waited for, not taken
        }
        start_on(1, other);
    }
    for (Seconds seconds;; how.rest())
        spend(how.burst, &seconds);
}
