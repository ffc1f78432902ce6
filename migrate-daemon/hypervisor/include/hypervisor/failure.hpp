/// How this room says that something went wrong: as all of user space does.
#pragma once

#include "outcome/failure.hpp"

namespace hypervisor {

using outcome::fail;
using outcome::fail_errno;
using outcome::Failure;
using outcome::Kind;
using outcome::Result;

} // namespace hypervisor
