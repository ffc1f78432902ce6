/// Why a kernel cannot be started: an error for the caller, a sentence for the operator.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/result.hpp"

namespace build {

struct Refusal {
    base::Error error = base::Error::invalid;
    std::string_view reason; ///< a string literal
};

template <typename T> using Expected = base::Result<T, Refusal>;

constexpr base::Err<Refusal> refuse(base::Error error, std::string_view reason) { return {Refusal{error, reason}}; }

/// The usual case: the bytes do not make sense.
constexpr base::Err<Refusal> refuse(std::string_view reason) { return refuse(base::Error::invalid, reason); }

} // namespace build
