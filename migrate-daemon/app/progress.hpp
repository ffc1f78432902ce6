/// What is said while something takes its time: lines on standard error.
#pragma once

#include <string_view>

namespace app {

void say(std::string_view line);

} // namespace app
