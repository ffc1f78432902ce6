#include "outcome/failure.hpp"

#include <cerrno>
#include <system_error>

namespace outcome {

base::Err<Failure> fail_errno(std::string const& message, Kind kind, std::string hint) {
    auto const why = std::error_code{errno, std::generic_category()}.message();
    return fail(kind, message + ": " + why, std::move(hint));
}

std::string sentence(Failure const& failure) {
    return failure.hint.empty() ? failure.message : failure.message + " (" + failure.hint + ")";
}

} // namespace outcome
