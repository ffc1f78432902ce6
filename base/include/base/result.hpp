/// A value or an error, never both, never ignored.
///
///     Result<Mfn> allocate();
///     Result<Mfn> second() {
///         Mfn const first = TRY(allocate());   // on error: returned to the caller
///         return first + 1;
///     }
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/assert.hpp"
#include "base/error.hpp"

namespace base {

/// Says "this is the error" where a Result is expected.
template <typename E> struct Err { E value; };
template <typename E> Err(E) -> Err<E>;

template <typename T, typename E = Error> class [[nodiscard]] Result {
  public:
    constexpr Result(T value) : ok_{true} { std::construct_at(&value_, std::move(value)); }
    constexpr Result(Err<E> error) : error_{error.value}, ok_{false} {}
    constexpr Result(Result&& other) noexcept : ok_{other.ok_} {
        if (ok_)
            std::construct_at(&value_, std::move(other.value_));
        else
            error_ = other.error_;
    }
    constexpr Result(Result const& other) : ok_{other.ok_} {
        if (ok_)
            std::construct_at(&value_, other.value_);
        else
            error_ = other.error_;
    }
    Result& operator=(Result const&) = delete;
    Result& operator=(Result&&) = delete;
    constexpr ~Result() {
        if (ok_)
            std::destroy_at(&value_);
    }

    [[nodiscard]] constexpr bool ok() const { return ok_; }
    constexpr explicit operator bool() const { return ok_; }

    /// The value; only after `ok()`.
    [[nodiscard]] constexpr T& value() & {
        ASSERT(ok_);
        return value_;
    }
    [[nodiscard]] constexpr T const& value() const& {
        ASSERT(ok_);
        return value_;
    }
    [[nodiscard]] constexpr T&& value() && {
        ASSERT(ok_);
        return std::move(value_);
    }

    /// The error; only after `!ok()`.
    [[nodiscard]] constexpr E error() const {
        ASSERT(!ok_);
        return error_;
    }

  private:
    union {
        T value_;
        E error_;
    };
    bool ok_;
};

/// Success without a value, or an error.
template <typename E> class [[nodiscard]] Result<void, E> {
  public:
    constexpr Result() = default;
    constexpr Result(Err<E> error) : error_{error.value}, ok_{false} {}

    [[nodiscard]] constexpr bool ok() const { return ok_; }
    constexpr explicit operator bool() const { return ok_; }
    constexpr void value() const { ASSERT(ok_); }
    [[nodiscard]] constexpr E error() const {
        ASSERT(!ok_);
        return error_;
    }

  private:
    E error_{};
    bool ok_ = true;
};

/// Success or one of the hypervisor's errors: what most operations answer.
using Status = Result<void, Error>;

} // namespace base

/// The value of the expression, or return its error from this function. One may stand inside another.
#define TRY(...) TRY_NAMED_(TRY_JOIN_(try_result_, __COUNTER__), __VA_ARGS__)
#define TRY_NAMED_(result, ...)                                                                                        \
    __extension__({                                                                                                    \
        auto result = (__VA_ARGS__);                                                                                   \
        if (!result.ok()) [[unlikely]]                                                                                 \
            return ::base::Err{result.error()};                                                                        \
        std::move(result).value();                                                                                     \
    })
#define TRY_JOIN_(a, b) TRY_JOIN_EXPANDED_(a, b)
#define TRY_JOIN_EXPANDED_(a, b) a##b
