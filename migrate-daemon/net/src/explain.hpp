/// What went wrong on a connection, in a sentence for the one who has to mend it.
#pragma once

#include <string>

#include <asio/error_code.hpp>

#include "outcome/failure.hpp"

namespace net {

/// While connecting to @p whom, or proving who we are. @p verify is Wire::verify_result().
outcome::Failure explain_opening(asio::error_code error, std::string const& whom, long verify = 0);
/// Afterwards.
outcome::Failure explain_loss(asio::error_code error, std::string const& whom);

} // namespace net
