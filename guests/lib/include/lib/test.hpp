/// Tests that report TAP (https://testanything.org): a guest is a list of sentences, each proved by checks.
///
///     TEST("a frame with a writable mapping cannot be pinned") {
///         CHECK_EQ(pin(1, page.frame()), kEINVAL);
///     }
#pragma once

#include <cstdint>

#include "lib/guest.hpp"

namespace lib {

struct TestCase {
    char const* sentence;
    void (*run)();
};

/// Notes that the running test has failed, and where. The test goes on.
void fail(char const* file, int line, char const* what);
void fail(char const* file, int line, char const* what, std::uint64_t got, std::uint64_t wanted);

/// Notes that the running test cannot be made on this machine, and why. The test returns after it.
void skip(char const* why);

/// Why, of what only dom0 has or may.
inline constexpr char const* kDom0sOwn = "only for dom0";
inline constexpr char const* kDomusOwn = "only for a domU";

} // namespace lib

#define TEST_JOIN2(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN2(a, b)
#define TEST(sentence)                                                                                                 \
    static void TEST_JOIN(test_, __LINE__)();                                                                          \
    [[gnu::section(".tests"), gnu::used]] static ::lib::TestCase const TEST_JOIN(test_case_, __LINE__){                \
        sentence, TEST_JOIN(test_, __LINE__)};                                                                         \
    static void TEST_JOIN(test_, __LINE__)()

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ::lib::fail(__FILE_NAME__, __LINE__, #condition);                                                          \
    } while (false)

#define CHECK_EQ(got, wanted)                                                                                          \
    do {                                                                                                               \
        auto const got_ = static_cast<std::uint64_t>(got);                                                             \
        auto const wanted_ = static_cast<std::uint64_t>(wanted);                                                       \
        if (got_ != wanted_)                                                                                           \
            ::lib::fail(__FILE_NAME__, __LINE__, #got " == " #wanted, got_, wanted_);                                  \
    } while (false)

#define SKIP_UNLESS(condition, why)                                                                                    \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return ::lib::skip(why);                                                                                   \
    } while (false)
