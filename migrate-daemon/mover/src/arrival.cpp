#include "arrival.hpp"

#include <chrono>
#include <thread>

#include "clocks.hpp"
#include "hypervisor/keeper.hpp"
#include "hypervisor/shell.hpp"
#include "hypervisor/stamps.hpp"

namespace mover {

/// As long as it is worth to know.
constexpr std::chrono::milliseconds kPatience{200};

std::uint64_t ran_at(hypervisor::Toolstack const& tools, std::uint32_t domain) {
    using Clock = std::chrono::steady_clock;
    // It runs as soon as a CPU has looked.
    for (auto const end = Clock::now() + kPatience; Clock::now() < end; std::this_thread::yield()) {
        auto const stamps = hypervisor::stamps_of(tools, domain);
        if (!stamps)
            break;
        if (stamps.value().first_ran != 0)
            return as_monotonic(stamps.value().first_ran, stamps.value().now);
    }
    return 0;
}

std::uint64_t clock_went_on_at(hypervisor::Toolstack const& tools, std::uint32_t domain) {
    auto const stamps = hypervisor::stamps_of(tools, domain);
    return stamps && stamps.value().timer_set != 0 ? as_monotonic(stamps.value().timer_set, stamps.value().now) : 0;
}

void settle(hypervisor::Toolstack const& tools, Subject const& subject, service::Workbench& bench) {
    // In this order: whoever finds it with its own name need not look for the other.
    if (auto const kept = hypervisor::keep_in_background(subject.domain, subject.vm.c_str()); !kept)
        bench.log(sentence(kept.error()));
    if (auto const named = hypervisor::give_identity(tools, subject.domain, subject.temporary, subject.configuration);
        !named)
        bench.log(sentence(named.error()));
}

} // namespace mover
