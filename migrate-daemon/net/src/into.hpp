/// How coroutines here wait: they go on when it is done, and an error is a value.
///
///     co_await socket.async_connect(end, into(error));
#pragma once

#include <asio/error_code.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace net {

inline auto into(asio::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

} // namespace net
