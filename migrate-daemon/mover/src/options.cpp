#include "options.hpp"

namespace mover {

using outcome::fail;
using outcome::Kind;

outcome::Result<MoveOptions> options_from(nlohmann::json const& options) try {
    MoveOptions read;
    auto const way = options.value("way", std::string{"auto"});
    if (way == "cooperative")
        read.way = hypervisor::Way::cooperative;
    else if (way == "transparent")
        read.way = hypervisor::Way::transparent;
    else if (way != "auto")
        return fail(Kind::precondition, "there is no way '" + way + "'", "auto, cooperative or transparent");
    read.policy = options.value("policy", read.policy);
    read.max_downtime = options.value("max_downtime_ms", read.max_downtime * 1e3) / 1e3;
    read.timeout = options.value("timeout_ms", read.timeout * 1e3) / 1e3;
    read.level = options.value("level", read.level);
    read.bandwidth = options.value("bandwidth", read.bandwidth);
    read.dry_run = options.value("dry_run", read.dry_run);
    read.wait = std::chrono::milliseconds{options.value("wait_ms", read.wait.count())};
    // The session gives up a blackout that is not over in time; the guest's own part of it is as long as it may be.
    read.patience.blackout = 10 + static_cast<double>(read.suspend_patience.count()) / 1e3;
    return read;
} catch (nlohmann::json::exception const& error) {
    return fail(Kind::precondition, std::string{"the options are malformed: "} + error.what());
}

} // namespace mover
