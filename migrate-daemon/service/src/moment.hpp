/// Now, for people: "2026-11-29T07:56:04Z".
#pragma once

#include <ctime>
#include <string>

namespace service {

inline std::string moment() {
    char text[32];
    std::time_t const now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

} // namespace service
