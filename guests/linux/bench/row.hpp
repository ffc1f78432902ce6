/// What a row of the benchmark is: a way to do one thing again and again, and to say what that took.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace bench {

using Clock = std::chrono::steady_clock;

/// Operations done, and the time that they alone took.
struct Sample {
    std::uint64_t operations = 0;
    std::chrono::nanoseconds time{};
};

/// Does some operations: milliseconds' worth, so that a few batches fill any time.
using Batch = std::function<Sample()>;

struct Row {
    std::string_view name;
    std::string_view operation; ///< what is done once
    Batch (*prepare)();
};

/// The word with which the benchmark runs itself to do nothing: what `fork-exec` executes.
inline constexpr std::string_view kNothing = "--nothing";

/// Each room of the benchmark has its rows.
std::span<Row const> cpu_rows();
std::span<Row const> process_rows();
std::span<Row const> memory_rows();
std::span<Row const> device_rows();

/// Ends the program if @p held is false: a figure of something that failed is none.
void require(bool held, char const* what);

/// @p operations calls of @p operation, timed together.
template <typename Operation> Sample timed(std::uint64_t operations, Operation const& operation) {
    auto const begin = Clock::now();
    for (std::uint64_t i = 0; i < operations; ++i)
        operation();
    return {.operations = operations, .time = Clock::now() - begin};
}

} // namespace bench
