/// Which of core's codes for page hashes this machine runs faster.
#pragma once

namespace engine {

/// Measures both, once in a process (less than a millisecond on silicon, a few in an emulator), and has core use the faster one.
void use_faster_hash();

} // namespace engine
