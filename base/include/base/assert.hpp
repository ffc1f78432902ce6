/// Assertions: statements about our own code, never an answer to bad input (docs/error-policy.md).
///
/// The only file that asks which world it is compiled for: a hosted assertion aborts with a message, a bare one
/// panics through `abort`, which prints registers and a backtrace. Release builds keep ASSERT: its conditions are
/// cheap. DEBUG_ASSERT is for those that are not, and vanishes with NDEBUG.
#pragma once

#if __STDC_HOSTED__
#include <cstdio>
#include <cstdlib>
namespace base {
[[noreturn]] inline void assertion_failed(char const* what, char const* file, unsigned line) {
    std::fprintf(stderr, "%s:%u: assertion failed: %s\n", file, line, what);
    std::abort();
}
} // namespace base
#else
namespace base {
/// Defined by hv/main: prints and stops every CPU.
[[noreturn]] void assertion_failed(char const* what, char const* file, unsigned line);
} // namespace base
#endif

#define ASSERT(condition)                                                                                              \
    ((condition) ? static_cast<void>(0) : ::base::assertion_failed(#condition, __FILE__, __LINE__))

namespace base {
/// True in debug builds: for checks and messages that are not cheap.
#ifdef NDEBUG
inline constexpr bool kDebug = false;
#else
inline constexpr bool kDebug = true;
#endif
} // namespace base

#define DEBUG_ASSERT(condition) (::base::kDebug ? ASSERT(condition) : static_cast<void>(0))
