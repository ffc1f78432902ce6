#include "hypervisor/suspension.hpp"

#include <cerrno>
#include <string>
#include <utility>

#include "hypervisor/devices.hpp"
#include "malloced.hpp"

namespace hypervisor {
namespace {

constexpr char const* kShutdown = "control/shutdown";

/// Takes the request back, unless the guest has taken it up: true if it is gone from the store.
bool take_back(Toolstack const& tools, std::uint32_t domain) {
    auto const path = node(domain, kShutdown);
    for (;;) {
        auto const transaction = xs_transaction_start(tools.store());
        unsigned length = 0;
        Malloced<char> const value{static_cast<char*>(xs_read(tools.store(), transaction, path.c_str(), &length))};
        bool const ours = value && std::string_view{value.get(), length} == "suspend";
        if (ours)
            xs_write(tools.store(), transaction, path.c_str(), "", 0);
        if (xs_transaction_end(tools.store(), transaction, !ours))
            return ours;
        if (errno != EAGAIN)
            return false;
    }
}

Result<void> ask_to_suspend(Toolstack const& tools, std::uint32_t domain, Watch& watch, SuspendBell& bell,
                            std::chrono::milliseconds patience) {
    auto const who = "domain " + std::to_string(domain);
    TRY(write_node(tools, domain, kShutdown, "suspend"));
    Result<DomainState> state = fail(Kind::failed, "");
    auto const stopped = [&] {
        state = state_of(tools, domain);
        return !state || state.value().shut_down || state.value().dying;
    };
    auto const stops = [&] { return watch.wait_until(stopped, patience, bell.descriptor(), [&] { bell.hear(); }); };
    if (!stops()) {
        if (take_back(tools, domain))
            return fail(Kind::failed, who + " did not answer when asked to suspend itself",
                        "is its kernel alive? xl console shows it");
        // It has begun. What it has begun ends: a guest that stops with nobody to let it go on would be lost.
        if (!stops())
            return fail(Kind::attention, who + " began to suspend itself and did not end",
                        "if xl list shows it as 's' later, xl unpause and xl resume do not help: xl destroy");
    }
    if (!state || state.value().dying)
        return fail(Kind::failed, who + " ended while it was asked to suspend itself");
    if (state.value().shutdown_reason != SHUTDOWN_suspend)
        return fail(Kind::failed, who + " shut down while it was asked to suspend itself",
                    "reason " + std::to_string(state.value().shutdown_reason));
    return {};
}

Result<void> go_on(Toolstack const& tools, std::uint32_t domain, Way way) {
    constexpr int kFast = 1; // the guest's call answers "cancelled", and it keeps its channels and grants
    int const error = way == Way::cooperative ? xc_domain_resume(tools.control(), domain, kFast)
                                              : xc_domain_unpause(tools.control(), domain);
    if (error != 0)
        return fail_errno("domain " + std::to_string(domain) + " cannot go on", Kind::attention,
                          "it is stopped; xl destroy ends it");
    // Or xenstored tells nobody when it stops the next time.
    if (way == Way::cooperative && !xs_resume_domain(tools.store(), domain))
        return fail_errno("the store was not told that domain " + std::to_string(domain) + " goes on");
    return {};
}

} // namespace

std::string_view name_of(Way way) { return way == Way::cooperative ? "cooperative" : "transparent"; }

Result<Way> way_of(Toolstack const& tools, std::uint32_t domain, std::chrono::milliseconds patience,
                   std::function<void(std::string_view)> const& tell) {
    constexpr char const* kFeature = "control/feature-suspend";
    auto const can = [&] { return read_node(tools, domain, kFeature) == "1"; };
    auto const all = front_ends(tools, domain);
    if (all.empty())
        return can() ? Way::cooperative : Way::transparent;
    auto const ready = [&] { return can() && connected(tools, domain, front_ends(tools, domain)); };
    if (ready())
        return Way::cooperative;
    tell("waiting for the guest to finish booting: it does not answer to the store yet, or its devices are not "
         "connected");
    auto watch = TRY(Watch::on(tools, {node(domain, kFeature), node(domain, "device"), "@releaseDomain"}));
    bool const waited = watch.wait_until([&] { return ready() || is_over(tools, domain); }, patience);
    if (is_over(tools, domain))
        return fail(Kind::precondition, "domain " + std::to_string(domain) + " ended");
    if (!waited)
        return fail(Kind::precondition,
                    "domain " + std::to_string(domain) + " has devices and does not say that it can suspend itself",
                    "a Linux says so in control/feature-suspend once it has booted; give it time with --wait");
    return Way::cooperative;
}

Result<Suspension> Suspension::begin(Toolstack const& tools, std::uint32_t domain, Way way,
                                     std::chrono::milliseconds patience) {
    Suspension suspension{tools, domain, way};
    if (way == Way::cooperative) {
        // They are given up with the suspension, not now: while the guest stands still, xenstored has better things to do.
        auto& watch = suspension.watch_.emplace(TRY(Watch::on(tools, {"@releaseDomain"})));
        auto& bell = suspension.bell_.emplace(TRY(SuspendBell::of(tools, domain)));
        TRY(ask_to_suspend(tools, domain, watch, bell, patience));
    } else if (xc_domain_pause(tools.control(), domain) != 0) {
        return fail_errno("domain " + std::to_string(domain) + " cannot be paused");
    }
    suspension.stopped_ = true;
    return suspension;
}

Suspension::Suspension(Suspension&& other) noexcept
    : tools_{other.tools_},
      domain_{other.domain_},
      way_{other.way_},
      watch_{std::move(other.watch_)},
      bell_{std::move(other.bell_)},
      stopped_{std::exchange(other.stopped_, false)} {}

Suspension::~Suspension() { static_cast<void>(resume()); }

Result<void> Suspension::resume() {
    if (!std::exchange(stopped_, false))
        return {};
    return go_on(*tools_, domain_, way_);
}

void let_go(Toolstack const& tools, std::uint32_t domain, Way way, std::chrono::milliseconds patience) {
    if (way == Way::cooperative && !take_back(tools, domain)) {
        auto watch = Watch::on(tools, {"@releaseDomain"});
        auto const stopped = [&] {
            auto const state = state_of(tools, domain);
            return !state || state.value().shut_down;
        };
        if (!watch || !watch.value().wait_until(stopped, patience))
            return;
        if (auto const state = state_of(tools, domain); !state || state.value().shutdown_reason != SHUTDOWN_suspend)
            return;
    }
    static_cast<void>(go_on(tools, domain, way));
}

} // namespace hypervisor
