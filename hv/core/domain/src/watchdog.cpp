#include "domain/watchdog.hpp"

#include "domain/domain.hpp"
#include "domain/lifecycle.hpp"

namespace domain {

using base::Err;
using base::Error;

Watchdogs::Watchdogs(Domain& domain) : domain_{domain} {
    all_.with([&](auto& all) {
        for (One& one : all)
            one.timer.bind([](void* whose) { shut_down(*static_cast<Domain*>(whose), SHUTDOWN_watchdog); }, &domain_);
    });
}

void Watchdogs::arm(One& one, std::uint32_t seconds) {
    auto& system = domain_.system;
    // This CPU looks at its queue before it leaves the hypervisor: nobody need be told.
    static_cast<void>(
        system.this_cpu().timers.start(one.timer, system.now() + seconds * timing::kNanosecondsPerSecond));
}

base::Result<std::uint32_t> Watchdogs::start(std::uint32_t seconds) {
    return all_.with([&](auto& all) -> base::Result<std::uint32_t> {
        for (std::uint32_t i = 0; i < kCount; ++i) {
            if (all[i].in_use)
                continue;
            all[i].in_use = true;
            arm(all[i], seconds);
            return i + 1;
        }
        return Err{Error::no_space};
    });
}

base::Status Watchdogs::set(std::uint32_t number, std::uint32_t seconds) {
    return all_.with([&](auto& all) -> base::Status {
        if (number == 0 || number > kCount || !all[number - 1].in_use)
            return Err{Error::invalid};
        One& one = all[number - 1];
        if (seconds != 0) {
            arm(one, seconds);
        } else {
            one.timer.stop();
            one.in_use = false;
        }
        return {};
    });
}

void Watchdogs::stop_all() {
    all_.with([](auto& all) {
        for (One& one : all) {
            one.timer.stop();
            one.in_use = false;
        }
    });
}

} // namespace domain
