/// tern_op: whole pages of another domain's RAM, written or read without a mapping (abi/tern.h, SP-23).
#pragma once

#include "hypercall/call.hpp"

namespace hypercall {

/// Into a paused domain. What is a table, or has descriptors, is refused: it can be written by its own doors only.
Answer write_pages(Call& call);
Answer read_pages(Call& call);

} // namespace hypercall
