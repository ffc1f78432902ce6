/// By what numbers a translated domain knows the pages that are not its RAM: fixed, so that they are the same on every
/// host (SP-25). A direct domain has the machine's numbers.
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"

namespace domain {

inline constexpr base::Gfn kSharedInfoGfn = mm::kFirstSpecialGfn;
inline constexpr base::Gfn kFirstGrantGfn = mm::kFirstSpecialGfn + 0x100;  ///< frames of the shared grant table
inline constexpr base::Gfn kFirstStatusGfn = mm::kFirstSpecialGfn + 0x200; ///< status frames of grants, version 2

/// The number of the special frame @p frame of @p domain, which for a translated domain is @p gfn from now on, unless it
/// was already. no_memory, again: no page for the map.
[[nodiscard]] base::Result<base::Gfn> number_special(Domain& domain, base::Mfn frame, base::Gfn gfn);

} // namespace domain
