// System calls, signals, and processes that begin, end and wait for each other.
#include <array>
#include <csignal>
#include <memory>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "row.hpp"

namespace {

using namespace bench;

struct Pipe {
    int read_end = -1;
    int write_end = -1;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    require(pipe(ends.data()) == 0, "pipe");
    return {.read_end = ends[0], .write_end = ends[1]};
}

void send(Pipe const& pipe) { require(write(pipe.write_end, "t", 1) == 1, "write"); }

void receive(Pipe const& pipe) {
    char token{};
    require(read(pipe.read_end, &token, 1) == 1, "read");
}

/// A child that does @p body for ever, and ends with us.
template <typename Body> void start_child(Body const& body) {
    auto const child = fork();
    require(child >= 0, "fork");
    if (child != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        body();
}

Batch null_system_call() {
    return [] { return timed(2000, [] { syscall(SYS_getppid); }); };
}

void on_signal(int) {}

Batch signal_delivery() {
    std::signal(SIGUSR1, on_signal);
    return [] { return timed(500, [] { raise(SIGUSR1); }); };
}

/// The token goes round: through `processes` of us, all on one CPU, so that each hop is a switch.
Batch ring(std::size_t processes) {
    cpu_set_t first{};
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    require(sched_setaffinity(0, sizeof first, &first) == 0, "sched_setaffinity");
    auto pipes = std::make_shared<std::vector<Pipe>>();
    for (std::size_t i = 0; i < processes; ++i)
        pipes->push_back(make_pipe());
    for (std::size_t i = 1; i < processes; ++i) {
        start_child([pipes, i] {
            receive((*pipes)[i - 1]);
            send((*pipes)[i]);
        });
    }
    return [pipes, processes] {
        constexpr std::uint64_t kRounds = 20;
        auto const sample = timed(kRounds, [&] {
            send(pipes->front());
            receive(pipes->back());
        });
        return Sample{.operations = kRounds * processes, .time = sample.time};
    };
}

Batch two_processes() { return ring(2); }

Batch sixteen_processes() { return ring(16); }

Batch pipe_round_trip() {
    auto const there = make_pipe();
    auto const back = make_pipe();
    start_child([=] {
        receive(there);
        send(back);
    });
    return [=] {
        return timed(50, [&] {
            send(there);
            receive(back);
        });
    };
}

void wait_for(pid_t child) {
    int status{};
    require(child >= 0 && waitpid(child, &status, 0) == child, "fork");
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child");
}

Batch fork_exit() {
    return [] {
        return timed(2, [] {
            auto const child = fork();
            if (child == 0)
                _exit(0);
            wait_for(child);
        });
    };
}

Batch fork_exec() {
    return [] {
        return timed(2, [] {
            auto const child = fork();
            if (child == 0) {
                execl("/proc/self/exe", "bench", kNothing.data(), nullptr);
                _exit(1);
            }
            wait_for(child);
        });
    };
}

constexpr Row kRows[] = {
    {.name = "null-syscall", .operation = "getppid", .prepare = null_system_call},
    {.name = "signal", .operation = "a signal to oneself, handled", .prepare = signal_delivery},
    {.name = "pipe", .operation = "a byte to another process and back", .prepare = pipe_round_trip},
    {.name = "switch-2", .operation = "a byte to the next of 2 processes on one CPU", .prepare = two_processes},
    {.name = "switch-16", .operation = "a byte to the next of 16 processes on one CPU", .prepare = sixteen_processes},
    {.name = "fork-exit", .operation = "a child that ends at once, waited for", .prepare = fork_exit},
    {.name = "fork-exec", .operation = "a child that runs a static program that ends at once", .prepare = fork_exec},
};

} // namespace

std::span<Row const> bench::process_rows() { return kRows; }
