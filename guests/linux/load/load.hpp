/// What tern-load's rooms share: how it fails, and the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace load {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void fail(char const* what) {
    std::perror(what);
    std::exit(1);
}

/// Prints @p count things a second, since @p begin.
inline void print_rate(double count, Clock::time_point begin) {
    std::printf("%.1f\n", count / std::chrono::duration<double>(Clock::now() - begin).count());
}

// Network. Addresses are IPv4, as text.
[[noreturn]] void sink(std::uint16_t port);
[[noreturn]] void echo(std::uint16_t port);
void send(char const* address, std::uint16_t port, std::uint64_t mib);
void ask(char const* address, std::uint16_t port, std::uint64_t count);
[[noreturn]] void beat(char const* address, std::uint16_t port, std::chrono::microseconds period);

// Disk.
void disk(char const* path, bool write, bool random, std::size_t block, std::uint64_t milliseconds);

} // namespace load
