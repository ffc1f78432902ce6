/// TERN_get_record, TERN_set_record (abi/tern.h).
#pragma once

#include "hypercall/call.hpp"

namespace hypercall {

Answer get_record(Call& call);
Answer set_record(Call& call);

} // namespace hypercall
