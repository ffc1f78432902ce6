// What does not need the kernel, and so should cost the same everywhere.
#include <cstring>
#include <memory>
#include <vector>

#include "row.hpp"

namespace {

using namespace bench;

constexpr std::size_t kMiB = 1 << 20;

/// A chain of additions, shifts and a branch: nothing can be done ahead.
std::uint64_t mix(std::uint64_t value) {
    constexpr auto kSteps = 100'000;
    for (auto i = 0; i < kSteps; ++i) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
        value += (value & 1) != 0 ? 3 : 5;
    }
    return value;
}

Batch compute() {
    auto const value = std::make_shared<std::uint64_t>(1);
    return [value] { return timed(20, [&] { *value = mix(*value); }); };
}

Batch copy() {
    auto const from = std::make_shared<std::vector<char>>(4 * kMiB, 'a');
    auto const to = std::make_shared<std::vector<char>>(4 * kMiB, 'b');
    return [=] {
        constexpr std::uint64_t kCopies = 4;
        auto const whole = timed(kCopies, [&] { std::memcpy(to->data(), from->data(), from->size()); });
        return Sample{.operations = kCopies * from->size() / kMiB, .time = whole.time};
    };
}

constexpr Row kRows[] = {
    {.name = "cpu", .operation = "100,000 steps of a dependent chain of arithmetic", .prepare = compute},
    {.name = "memcpy", .operation = "copying 1 MiB, of 4", .prepare = copy},
};

} // namespace

std::span<Row const> bench::cpu_rows() { return kRows; }
