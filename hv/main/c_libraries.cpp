/// What the linked C libraries ask for when they are not given it (docs/decisions/0005-linked-c-libraries.md). They are
/// given memory and a canary, so none of this is ever called; but for the two hooks, of which libzstd would rather not have
/// any, as it cannot call to address 0 from where it is linked.
#include <cstddef>
#include <cstdint>

#include "panic.hpp"

extern "C" {

[[noreturn]] void __stack_chk_fail() { panic("a C library has run over its own stack"); }
void* malloc(std::size_t) { panic("a C library asks for memory by itself"); }
void* calloc(std::size_t, std::size_t) { panic("a C library asks for memory by itself"); }
void free(void*) { panic("a C library gives back memory by itself"); }

std::uint64_t ZSTD_trace_decompress_begin(void const*) { return 0; } ///< do not trace this one
void ZSTD_trace_decompress_end(std::uint64_t, void const*) {}

} // extern "C"
