/// Whether one more round makes the blackout shorter.
#pragma once

namespace policy {

/// A round helps if it leaves less than nine tenths of what was left @p before it, the least so far. Same unit for both.
inline bool helps(double left, double before) { return left < 0.9 * before; }

} // namespace policy
