/// What is said while something takes its time, and when it failed: lines on standard error.
#pragma once

#include <string_view>

#include "options.hpp"
#include "outcome/failure.hpp"

namespace app {

void say(std::string_view line);

/// The exit status that goes with it. In JSON, also an object on standard output.
int complain(outcome::Failure const& failure, Format format);

} // namespace app
