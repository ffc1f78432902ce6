/// What this host calls itself.
#pragma once

#include <string>

#include <unistd.h>

namespace net {

inline std::string host_name() {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return name;
}

} // namespace net
