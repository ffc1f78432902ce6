/// For tests of hosts that are older than the other: if the environment has TERN_NEWEST_PROTOCOL, this one speaks no newer version of the protocol.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "migrate/message.hpp"

namespace mover {

/// What such a host says, or has to do with: the versions of @p hello that it speaks, too.
inline migrate::Hello as_older(migrate::Hello hello) {
    if (char const* const newest = std::getenv("TERN_NEWEST_PROTOCOL")) {
        hello.newest = std::min(hello.newest, static_cast<std::uint32_t>(std::strtoul(newest, nullptr, 10)));
        hello.oldest = std::min(hello.oldest, hello.newest);
    }
    return hello;
}

} // namespace mover
