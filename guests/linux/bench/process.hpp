/// The word with which the benchmark runs itself to do nothing: what `fork-exec` executes.
#pragma once

#include <string_view>

namespace bench {

inline constexpr std::string_view kNothing = "--nothing";

} // namespace bench
