/// Extended state: x87, SSE, AVX, AVX-512; by XSAVE, or FXSAVE where that is all there is.
#pragma once

namespace x86 {

/// Finds out sizes, once. After detect_features() and on a CPU whose CR4 is set.
void size_extended_state();
/// Makes this CPU able to save it.
void start_extended_state();

} // namespace x86
