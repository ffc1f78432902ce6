/// What tern-load's rooms share: how it fails, the time, and a steady pace.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace load {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void fail(char const* what) {
    std::perror(what);
    std::exit(1);
}

/// Prints how many a second @p count things in @p time are.
inline void print_rate(double count, Clock::duration time) {
    std::printf("%.1f\n", count / std::chrono::duration<double>(time).count());
}

/// Moments one period apart. One that was missed is not made up for: the next is due at once, and the others after it.
class Pace {
  public:
    explicit Pace(std::chrono::microseconds period) : period_{period}, next_{Clock::now() + period} {}

    void wait() {
        std::this_thread::sleep_until(next_);
        next_ = std::max(next_ + period_, Clock::now());
    }

  private:
    std::chrono::microseconds period_;
    Clock::time_point next_;
};

// Network. Addresses are IPv4, as text.
[[noreturn]] void spoil(std::uint16_t port, char const* address, std::uint16_t there, std::uint64_t octet);
[[noreturn]] void sink(std::uint16_t port);
[[noreturn]] void echo(std::uint16_t port);
void send(char const* address, std::uint16_t port, std::uint64_t mib);
void ask(char const* address, std::uint16_t port, std::uint64_t count);
[[noreturn]] void beat(char const* address, std::uint16_t port, std::chrono::microseconds period);
[[noreturn]] void relay(char const* folder, char const* begins, char const* address, std::uint16_t port);

// Disk.
void disk(char const* path, bool write, bool random, std::size_t block, std::uint64_t milliseconds);

} // namespace load
