/// What an unprivileged domain has written to the console since its last newline. One a domain.
#pragma once

#include "console/text.hpp"

namespace console {

using GuestLine = Text<200>;

} // namespace console
