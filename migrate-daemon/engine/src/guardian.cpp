#include "engine/guardian.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/domains.hpp"
#include "hypervisor/suspension.hpp"
#include "hypervisor/throttle.hpp"
#include "hypervisor/toolstack.hpp"

namespace engine {
namespace {

using hypervisor::Toolstack;
using hypervisor::Way;
using Owed = std::pair<Debt, std::string>;

std::uint32_t number(std::string const& text) {
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

void pay(Toolstack const& tools, Owed const& owed) {
    auto const& [debt, whom] = owed;
    switch (debt) {
    case Debt::resume_cooperative: hypervisor::let_go(tools, number(whom), Way::cooperative); break;
    case Debt::resume_transparent: hypervisor::let_go(tools, number(whom), Way::transparent); break;
    case Debt::give_back_time: {
        auto const blank = whom.find(' ');
        static_cast<void>(hypervisor::set_cap(tools, number(whom.substr(0, blank)),
                                              static_cast<std::uint16_t>(number(whom.substr(blank + 1)))));
        break;
    }
    case Debt::untrack: xc_shadow_control(tools.control(), number(whom), XEN_DOMCTL_SHADOW_OP_OFF, nullptr, 0); break;
    case Debt::destroy_named:
        if (auto const found = hypervisor::find_domain(tools, whom))
            libxl_domain_destroy(tools.light(), found.value().id, nullptr);
        break;
    case Debt::remove: unlink(whom.c_str()); break;
    }
}

/// A line a debt: sign, letter, whom.
void note(std::vector<Owed>& all, std::string_view line) {
    Owed const owed{static_cast<Debt>(line[1]), std::string{line.substr(2)}};
    if (line[0] == '+')
        all.push_back(owed);
    else
        std::erase(all, owed);
}

/// What it says waits in the pipe, which has room for some hundreds of debts: it may say so in a blackout, and is not to wake anybody then.
std::vector<Owed> owed_when_it_has_gone(int pipe) {
    pollfd its_end{.fd = pipe, .events = 0, .revents = 0};
    while (poll(&its_end, 1, -1) < 0 && errno == EINTR) {
    }
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t count = 0; (count = read(pipe, piece.data(), piece.size())) > 0;)
        text.append(piece.data(), static_cast<std::size_t>(count));
    std::vector<Owed> all;
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
        note(all, std::string_view{text}.substr(at, end - at));
    return all;
}

[[noreturn]] void watch_over(int pipe) {
    // What stops the one that is watched over, stops the terminal's whole group.
    for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
        std::signal(signal, SIG_IGN);
    // Nor does it keep open what the other has: a peer would not notice its end.
    constexpr int kPipe = STDERR_FILENO + 1;
    if (pipe != kPipe)
        dup2(pipe, kPipe);
    close_range(kPipe + 1, ~0U, 0);
    auto const all = owed_when_it_has_gone(kPipe);
    if (all.empty())
        _exit(0);
    auto const tools = Toolstack::open();
    if (!tools)
        _exit(1);
    // The last first: a domain goes on only when nobody looks at it any more.
    std::for_each(all.rbegin(), all.rend(), [&](Owed const& owed) { pay(tools.value(), owed); });
    _exit(0);
}

} // namespace

outcome::Result<Guardian> Guardian::start() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return outcome::fail_errno("no process to put things right if this one dies");
    std::fflush(nullptr);
    pid_t const child = fork();
    if (child < 0)
        return outcome::fail_errno("no process to put things right if this one dies");
    if (child == 0) {
        close(ends[1]);
        watch_over(ends[0]);
    }
    close(ends[0]);
    return Guardian{ends[1], child};
}

Guardian::Guardian(Guardian&& other) noexcept : pipe_{std::exchange(other.pipe_, -1)}, child_{other.child_} {}

Guardian::~Guardian() {
    if (pipe_ < 0)
        return;
    close(pipe_);
    waitpid(child_, nullptr, 0);
}

void Guardian::tell(char sign, Debt debt, std::string_view whom) const {
    auto const line = std::string{sign, static_cast<char>(debt)} + std::string{whom} + "\n";
    // Short enough to be written whole (PIPE_BUF); without a guardian there is nobody to tell.
    static_cast<void>(!write(pipe_, line.data(), line.size()));
}

} // namespace engine
