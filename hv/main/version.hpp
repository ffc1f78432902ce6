/// Which Tern this is.
#pragma once

#include <string_view>

inline constexpr std::string_view kVersion = "0.1";
