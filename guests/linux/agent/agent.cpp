// The agent runs commands in a laboratory host for the program ./tern on the machine around it. It is the host's process 1
// once /init has set everything up.
//
//   agent PORT...     PORT: character devices of virtio-serial, each served by a process of its own
//
// On a port, one command at a time:
//
//   request    nonce (16 bytes) | length of the rest (u32, little-endian) | arguments, each ended by a NUL
//   answer     nonce | frames: kind (1 byte) | length (u32) | payload
//              kind 'o' standard output, 'e' standard error, 'x' the exit status (u32), which ends the answer
//
// The nonce comes when the command is about to start. Whatever a client reads before its own nonce was meant for an earlier
// one, or is padding. A client that goes away, or sends another request, ends the command that runs, and all of its
// process group.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t kNonceBytes = 16;
constexpr std::size_t kHeadBytes = kNonceBytes + sizeof(std::uint32_t);
constexpr std::uint32_t kMostArgumentBytes = 2 << 20;
constexpr std::size_t kPieceBytes = 16 << 10;
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

struct Request {
    std::array<char, kNonceBytes> nonce;
    std::string arguments; ///< each ended by a NUL; at least one
};

struct Pipe {
    int read_end;
    int write_end;
};

[[noreturn]] void die(char const* what) {
    std::perror(what);
    std::exit(1);
}

void write_all(int file, std::span<char const> bytes) {
    while (!bytes.empty()) {
        auto const written = write(file, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR)
            die("agent: write");
        bytes = bytes.subspan(written < 0 ? 0 : static_cast<std::size_t>(written));
    }
}

/// False at the end: the client has gone.
bool read_all(int file, std::span<char> bytes) {
    while (!bytes.empty()) {
        auto const got = read(file, bytes.data(), bytes.size());
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        bytes = bytes.subspan(got < 0 ? 0 : static_cast<std::size_t>(got));
    }
    return true;
}

void write_frame(int port, char kind, std::span<char const> payload) {
    auto const length = static_cast<std::uint32_t>(payload.size());
    std::array<char, 1 + sizeof length> head{kind};
    std::memcpy(&head[1], &length, sizeof length);
    write_all(port, head);
    write_all(port, payload);
}

std::optional<Request> read_request(int port) {
    std::array<char, kHeadBytes> head{};
    if (!read_all(port, head))
        return {};
    Request request{};
    std::memcpy(request.nonce.data(), head.data(), kNonceBytes);
    std::uint32_t length{};
    std::memcpy(&length, &head[kNonceBytes], sizeof length);
    if (length < 2 || length > kMostArgumentBytes)
        return {};
    request.arguments.resize(length);
    if (!read_all(port, request.arguments) || request.arguments.back() != '\0')
        return {};
    return request;
}

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        die("agent: pipe2");
    return {.read_end = ends[0], .write_end = ends[1]};
}

/// In the child: becomes the command. Says why on its standard error if it cannot, and exits as env does.
[[noreturn]] void become(Request& request, Pipe const& output, Pipe const& errors) {
    std::vector<char*> words;
    for (std::size_t at = 0; at < request.arguments.size(); at += std::strlen(&request.arguments[at]) + 1)
        words.push_back(&request.arguments[at]);
    words.push_back(nullptr);
    setsid();
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(output.write_end, STDOUT_FILENO);
    dup2(errors.write_end, STDERR_FILENO);
    execvp(words[0], words.data());
    auto const status = errno == ENOENT ? kNotFound : kCannotExecute;
    dprintf(STDERR_FILENO, "%s: %s\n", words[0], std::strerror(errno));
    _exit(status);
}

/// Sends up to `most` of what is in `pipe`, waiting for it if there is nothing yet. The number of bytes; 0 when nothing will come
/// any more.
std::size_t forward(int pipe, int port, char kind, std::size_t most = kPieceBytes) {
    std::array<char, kPieceBytes> piece;
    auto const got = read(pipe, piece.data(), std::min(most, piece.size()));
    if (got <= 0)
        return 0;
    write_frame(port, kind, std::span{piece}.first(static_cast<std::size_t>(got)));
    return static_cast<std::size_t>(got);
}

std::uint32_t shell_status(int status) {
    constexpr int kSignalled = 128;
    return static_cast<std::uint32_t>(WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status));
}

/// Sends what the command has left in a pipe. Its end is not waited for: a descendant may hold it open for ever.
void drain(Pipe const& pipe, int port, char kind) {
    int left{};
    if (ioctl(pipe.read_end, FIONREAD, &left) != 0)
        die("agent: FIONREAD");
    for (auto count = static_cast<std::size_t>(left); count != 0;) {
        auto const sent = forward(pipe.read_end, port, kind, count);
        count = sent == 0 ? 0 : count - sent;
    }
}

/// Runs the command and answers. If the client goes away, the command is killed and the answer has no end.
void serve(int port, Request& request) {
    auto const output = make_pipe();
    auto const errors = make_pipe();
    write_all(port, request.nonce);
    auto const child = fork();
    if (child < 0)
        die("agent: fork");
    if (child == 0)
        become(request, output, errors);
    close(output.write_end);
    close(errors.write_end);
    auto const ended = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
    if (ended < 0)
        die("agent: pidfd_open");

    std::array<pollfd, 4> watched{
        {{ended, POLLIN, 0}, {port, POLLIN, 0}, {output.read_end, POLLIN, 0}, {errors.read_end, POLLIN, 0}}};
    auto& [end_watch, port_watch, output_watch, error_watch] = watched;
    auto client_left = false;
    while (end_watch.revents == 0 && !client_left) {
        if (poll(watched.data(), watched.size(), -1) < 0)
            continue;
        client_left = port_watch.revents != 0;
        if (output_watch.revents != 0 && forward(output.read_end, port, 'o') == 0)
            output_watch.fd = -1;
        if (error_watch.revents != 0 && forward(errors.read_end, port, 'e') == 0)
            error_watch.fd = -1;
    }
    if (client_left && kill(-child, SIGKILL) != 0)
        kill(child, SIGKILL); // it has not come to its own session yet
    int status{};
    waitpid(child, &status, 0);
    if (!client_left) {
        drain(output, port, 'o');
        drain(errors, port, 'e');
        auto const code = shell_status(status);
        std::array<char, sizeof code> payload{};
        std::memcpy(payload.data(), &code, sizeof code);
        write_frame(port, 'x', payload);
    }
    close(output.read_end);
    close(errors.read_end);
    close(ended);
}

/// After an answer. What is written while the client is leaving costs QEMU a buffer of the port's, and there are 128.
void wait_until_client_has_gone(int port) {
    pollfd watched{port, POLLIN, 0}; // or the next one's request is here already
    while (poll(&watched, 1, -1) < 0)
        ;
}

[[noreturn]] void serve_port(char const* name) {
    auto const port = open(name, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (port < 0)
        die(name);
    for (;;) {
        // A read returns at once while no client is there; a write waits for one.
        write_all(port, std::array{'\0'});
        if (auto request = read_request(port)) {
            serve(port, *request);
            wait_until_client_has_gone(port);
        }
    }
}

void start(char const* name) {
    auto const child = fork();
    if (child < 0)
        die("agent: fork");
    if (child == 0)
        serve_port(name);
}

} // namespace

int main(int count, char** words) {
    auto const ports = std::span{words, static_cast<std::size_t>(count)}.subspan(1);
    for (auto const* port : ports)
        start(port);
    // Process 1 is the parent of all orphans.
    for (;;) {
        if (wait(nullptr) < 0 && errno == ECHILD)
            pause();
    }
}
