/// Why something could not be done, in one line that an operator can act on.
///
///     Result<Journal> open();
///     Result<void> use() {
///         auto journal = TRY(open()); // on failure: returned to the caller
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/result.hpp"

namespace outcome {

/// What kind of failure: a program's exit status (the numbers are `migrate`'s, and stable; 0 is done, 2 are wrong words).
enum class Kind : int {
    failed = 1,       ///< it was tried; the domain is where it was
    precondition = 3, ///< it was not begun
    connect = 4,      ///< the other side cannot be reached, or does not know us
    timed_out = 5,
    cancelled = 6,
    attention = 7, ///< the domain's state needs somebody to look at it
};

struct Failure {
    Kind kind = Kind::failed;
    std::string message; ///< what and why: one line, without a full stop
    std::string hint;    ///< what to do about it; may be empty
};

/// A value or a Failure; what TRY (base/result.hpp) can look into.
template <typename T> class [[nodiscard]] Result {
  public:
    Result(T value) : holds_{std::move(value)} {}
    Result(base::Err<Failure> failure) : holds_{std::move(failure.value)} {}

    [[nodiscard]] bool ok() const { return std::holds_alternative<T>(holds_); }
    explicit operator bool() const { return ok(); }
    [[nodiscard]] T& value() & { return std::get<T>(holds_); }
    [[nodiscard]] T const& value() const& { return std::get<T>(holds_); }
    [[nodiscard]] T&& value() && { return std::get<T>(std::move(holds_)); }
    [[nodiscard]] Failure const& error() const { return std::get<Failure>(holds_); }

  private:
    std::variant<T, Failure> holds_;
};

template <> class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(base::Err<Failure> failure) : failure_{std::move(failure.value)}, ok_{false} {}

    [[nodiscard]] bool ok() const { return ok_; }
    explicit operator bool() const { return ok_; }
    void value() const {}
    [[nodiscard]] Failure const& error() const { return failure_; }

  private:
    Failure failure_;
    bool ok_ = true;
};

inline base::Err<Failure> fail(Kind kind, std::string message, std::string hint = {}) {
    return base::Err<Failure>{{kind, std::move(message), std::move(hint)}};
}

/// With what errno says.
base::Err<Failure> fail_errno(std::string const& message, Kind kind = Kind::failed, std::string hint = {});

/// "message (hint)", as it is said to people.
std::string sentence(Failure const& failure);

} // namespace outcome
