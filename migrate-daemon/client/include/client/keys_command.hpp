/// `migrate keys init|trust|show`: this host's key, and whom it trusts.
#pragma once

namespace client {

/// @p words: what follows "keys", and before it the program's name. The exit status; results are on standard output, complaints on
/// standard error.
int run_keys(int count, char** words);

} // namespace client
