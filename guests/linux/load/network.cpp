/// A stream of octets to somebody, questions and answers, and beats.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "load.hpp"

namespace load {

namespace {

constexpr std::size_t kPiece = 64 << 10;

sockaddr_in place(char const* address, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        errno = EINVAL;
        fail(address);
    }
    return to;
}

int connected(char const* address, std::uint16_t port) {
    auto const to = place(address, port);
    int const end = socket(AF_INET, SOCK_STREAM, 0);
    int const at_once = 1;
    if (end < 0 || connect(end, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0 ||
        setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) != 0)
        fail(address);
    return end;
}

/// Serves each who connects in a process of its own.
template <typename Serve> [[noreturn]] void listen_at(char const* address, std::uint16_t port, Serve const& serve) {
    auto const here = place(address, port);
    int const door = socket(AF_INET, SOCK_STREAM, 0);
    int const again = 1;
    if (door < 0 || setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again) != 0 ||
        bind(door, reinterpret_cast<sockaddr const*>(&here), sizeof here) != 0 || listen(door, 16) != 0)
        fail("listen");
    std::signal(SIGCHLD, SIG_IGN); // nobody waits for them
    for (;;) {
        int const end = accept(door, nullptr, nullptr);
        if (end >= 0 && fork() == 0) {
            int const at_once = 1;
            static_cast<void>(setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once));
            serve(end);
            _exit(0);
        }
        close(end);
    }
}

/// Until @p from ends; @p change each piece, of which `before` octets came before.
template <typename Change> void pass_on(int from, int to, Change const& change) {
    std::array<char, kPiece> piece{};
    std::uint64_t before = 0;
    for (ssize_t count = 0; (count = read(from, piece.data(), piece.size())) > 0;
         before += static_cast<std::uint64_t>(count)) {
        std::span const octets{piece.data(), static_cast<std::size_t>(count)};
        change(before, octets);
        for (std::size_t done = 0; done < octets.size();) {
            ssize_t const written = write(to, octets.data() + done, octets.size() - done);
            if (written <= 0)
                return;
            done += static_cast<std::size_t>(written);
        }
    }
}

/// What a beat carries, in the guest's own order of octets.
struct Beat {
    std::uint64_t number, monotonic_ns;
};

/// Sends beats to somebody, before all others' work: their gaps are to be the network's and the hypervisor's, not those of others who run
/// here.
class Heart {
  public:
    Heart(char const* address, std::uint16_t port) : to_{place(address, port)}, out_{socket(AF_INET, SOCK_DGRAM, 0)} {
        if (out_ < 0)
            fail("socket");
        sched_param const first{.sched_priority = 1};
        if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
            fail("priority");
    }
    /// One that cannot be sent does not arrive: that is what is measured.
    void send(Beat const& one) const {
        static_cast<void>(sendto(out_, &one, sizeof one, 0, reinterpret_cast<sockaddr const*>(&to_), sizeof to_));
    }

  private:
    sockaddr_in to_;
    int out_;
};

/// What is new in a file that grows, line by line.
class Log {
  public:
    explicit Log(std::string const& path) : file_{open(path.c_str(), O_RDONLY | O_CLOEXEC)} {}
    template <typename Take> void read_on(Take const& take) {
        std::array<char, 4096> piece{};
        for (ssize_t count = 0; (count = read(file_, piece.data(), piece.size())) > 0;) {
            for (char const octet : std::string_view{piece.data(), static_cast<std::size_t>(count)}) {
                if (octet != '\n') {
                    line_ += octet;
                    continue;
                }
                take(line_);
                line_.clear();
            }
        }
    }

  private:
    int file_;
    std::string line_;
};

} // namespace

/// As a wire would that alters an octet, and a checksum that does not show it.
void spoil(std::uint16_t port, char const* address, std::uint16_t there, std::uint64_t octet) {
    listen_at("127.0.0.1", port, [=](int end) {
        int const other = connected(address, there);
        bool const forth = fork() != 0;
        int const from = forth ? end : other, to = forth ? other : end;
        pass_on(from, to, [=](std::uint64_t before, std::span<char> octets) {
            if (forth && before <= octet && octet - before < octets.size())
                octets[octet - before] ^= 0x10;
        });
        shutdown(to, SHUT_WR);
    });
}

/// Takes what comes; at its end answers with one octet.
void sink(std::uint16_t port) {
    listen_at("0.0.0.0", port, [](int end) {
        std::array<char, kPiece> piece{};
        while (read(end, piece.data(), piece.size()) > 0) {
        }
        static_cast<void>(!write(end, "!", 1));
    });
}

/// Sends each octet back.
void echo(std::uint16_t port) {
    listen_at("0.0.0.0", port, [](int end) {
        std::array<char, kPiece> piece{};
        for (ssize_t count = 0; (count = read(end, piece.data(), piece.size())) > 0;)
            static_cast<void>(!write(end, piece.data(), static_cast<std::size_t>(count)));
    });
}

/// MiB a second, until all has arrived at a sink.
void send(char const* address, std::uint16_t port, std::uint64_t mib) {
    int const end = connected(address, port);
    std::array<char, kPiece> piece{};
    auto const begin = Clock::now();
    for (std::uint64_t left = mib << 20; left != 0;) {
        ssize_t const sent = write(end, piece.data(), piece.size() < left ? piece.size() : left);
        if (sent <= 0)
            fail("send");
        left -= static_cast<std::uint64_t>(sent);
    }
    shutdown(end, SHUT_WR);
    if (read(end, piece.data(), 1) != 1)
        fail("answer");
    print_rate(static_cast<double>(mib), Clock::now() - begin);
}

/// Round trips a second, one octet each.
void ask(char const* address, std::uint16_t port, std::uint64_t count) {
    int const end = connected(address, port);
    auto const begin = Clock::now();
    for (std::uint64_t i = 0; i < count; ++i) {
        char octet = '?';
        if (write(end, &octet, 1) != 1 || read(end, &octet, 1) != 1)
            fail("ask");
    }
    print_rate(static_cast<double>(count), Clock::now() - begin);
}

void beat(char const* address, std::uint16_t port, std::chrono::microseconds period) {
    Heart const heart{address, port};
    Pace pace{period};
    for (Beat one{};; ++one.number) {
        one.monotonic_ns =
            static_cast<std::uint64_t>(std::chrono::nanoseconds{Clock::now().time_since_epoch()}.count());
        heart.send(one);
        pace.wait();
    }
}

void relay(char const* folder, char const* begins, char const* address, std::uint16_t port) {
    Heart const heart{address, port};
    std::map<std::string, Log> logs;
    int const news = inotify_init1(IN_CLOEXEC);
    if (news < 0 || inotify_add_watch(news, folder, IN_CREATE | IN_MODIFY) < 0)
        fail(folder);
    alignas(inotify_event) std::array<char, 4096> room{};
    for (ssize_t count = 0; (count = read(news, room.data(), room.size())) > 0;) {
        for (ssize_t at = 0; at < count;) {
            auto const* const event = reinterpret_cast<inotify_event const*>(room.data() + at);
            at += static_cast<ssize_t>(sizeof *event + event->len);
            std::string const name{event->len != 0 ? event->name : ""};
            if (!name.starts_with(begins))
                continue;
            logs.try_emplace(name, std::string{folder} + "/" + name)
                .first->second.read_on([&](std::string const& line) {
                    Beat one{};
                    if (std::sscanf(line.c_str(), "beat %" SCNu64 " %" SCNu64, &one.number, &one.monotonic_ns) == 2)
                        heart.send(one);
                });
        }
    }
    fail(folder);
}

} // namespace load
