#include "hypervisor/keeper.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/configuration.hpp"
#include "hypervisor/domains.hpp"
#include "hypervisor/watch.hpp"

namespace hypervisor {
namespace {

/// ~0: the event is none of a domain's end that asks for something.
constexpr unsigned kNothing = ~0U;

void say(std::string const& what) {
    std::fprintf(stderr, "migrate: %s\n", what.c_str());
    std::fflush(stderr);
}

libxl_action_on_shutdown action_for(libxl_domain_config const& config, unsigned reason) {
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF: return config.on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT: return config.on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH: return config.on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG: return config.on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET: return config.on_soft_reset;
    default: return LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    }
}

class Keeper {
  public:
    Keeper(Toolstack const& tools, std::uint32_t domain) : tools_{tools}, domain_{domain} {}

    Result<void> run() {
        for (;;) {
            auto const reason = TRY(wait());
            if (reason == kNothing)
                return {};
            if (reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
                TRY(wait_while_suspended());
            else if (!TRY(act(reason)))
                return {};
        }
    }

  private:
    /// Why it has shut down; kNothing: it is gone.
    Result<unsigned> wait() {
        libxl_evgen_domain_death* death = nullptr;
        if (libxl_evenable_domain_death(tools_.light(), domain_, 0, &death) != 0)
            return fail(Kind::failed, "the end of domain " + std::to_string(domain_) + " cannot be waited for");
        libxl_event* event = nullptr;
        int const error = libxl_event_wait(tools_.light(), &event, LIBXL_EVENTMASK_ALL, nullptr, nullptr);
        unsigned reason = kNothing;
        if (error == 0) {
            if (event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN)
                reason = static_cast<unsigned>(event->u.domain_shutdown.shutdown_reason);
            libxl_event_free(tools_.light(), event);
        }
        libxl_evdisable_domain_death(tools_.light(), death);
        if (error != 0)
            return fail(Kind::failed, "libxl tells of no more events");
        return reason;
    }

    /// libxl would tell again and again, at once, of a domain that is suspended; and nobody tells when one goes on. So: until it goes on and
    /// stops in another way, or goes.
    Result<void> wait_while_suspended() {
        constexpr std::chrono::hours kLong{24};
        auto watch = TRY(Watch::on(tools_, {"@releaseDomain"}));
        auto const over = [&] {
            auto const state = state_of(tools_, domain_);
            return !state || state.value().dying ||
                   (state.value().shut_down && state.value().shutdown_reason != SHUTDOWN_suspend);
        };
        while (!watch.wait_until(over, kLong)) {
        }
        return {};
    }

    /// True if there is a domain to wait for again.
    Result<bool> act(unsigned reason) {
        auto config = TRY(Configuration::of(tools_, domain_));
        auto const action = action_for(config.raw(), reason);
        say("domain " + std::to_string(domain_) + " has shut down (" +
            libxl_shutdown_reason_to_string(static_cast<libxl_shutdown_reason>(reason)) +
            "): " + libxl_action_on_shutdown_to_string(action));
        switch (action) {
        case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE: return false;
        case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART: dump(config.name()); break;
        case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME: TRY(rename(config)); return start(config);
        default: break;
        }
        if (libxl_domain_destroy(tools_.light(), domain_, nullptr) != 0)
            return fail(Kind::attention, "domain " + std::to_string(domain_) + " cannot be destroyed");
        if (action == LIBXL_ACTION_ON_SHUTDOWN_RESTART || action == LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART)
            return start(config);
        return false;
    }

    void dump(std::string const& name) {
        auto const file = "/var/lib/xen/dump/" + name + "-" + std::to_string(std::time(nullptr)) + ".core";
        if (libxl_domain_core_dump(tools_.light(), domain_, file.c_str(), nullptr) != 0)
            say("its memory could not be written to " + file);
    }

    Result<void> rename(Configuration& config) {
        libxl_uuid fresh;
        libxl_uuid_generate(&fresh);
        if (libxl_domain_preserve(tools_.light(), domain_, &config.raw().c_info, "-preserved", fresh) != 0)
            return fail(Kind::failed, "domain " + std::to_string(domain_) + " cannot be renamed");
        return {};
    }

    Result<bool> start(Configuration& config) {
        std::uint32_t fresh = ~0U;
        if (libxl_domain_create_new(tools_.light(), &config.raw(), &fresh, nullptr, nullptr) != 0 ||
            libxl_domain_unpause(tools_.light(), fresh, nullptr) != 0)
            return fail(Kind::failed, config.name() + " cannot be started again");
        domain_ = fresh;
        return true;
    }

    Toolstack const& tools_;
    std::uint32_t domain_;
};

/// Standard output and error from here on.
void log_to(std::string const& path) {
    int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int const nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    for (int const to : {STDOUT_FILENO, STDERR_FILENO})
        dup2(file >= 0 ? file : nothing, to);
}

} // namespace

Result<void> keep(Toolstack const& tools, std::uint32_t domain) { return Keeper{tools, domain}.run(); }

Result<void> keep_in_background(std::uint32_t domain, char const* name) {
    pid_t const child = fork();
    if (child < 0)
        return fail_errno("no process to look after the domain");
    if (child > 0) {
        waitpid(child, nullptr, 0); // it ends at once
        return {};
    }
    // The grandchild is nobody's; connections of the parent are not its own.
    if (fork() != 0)
        _exit(0);
    setsid();
    close_range(STDERR_FILENO + 1, ~0U, 0); // of the parent's
    log_to(std::string{"/var/log/xen/migrate-"} + name + ".log");
    auto const tools = Toolstack::open();
    auto const kept = tools ? keep(tools.value(), domain) : Result<void>{base::Err{tools.error()}};
    if (!kept)
        say(kept.error().message);
    _exit(kept ? 0 : 1);
}

} // namespace hypervisor
