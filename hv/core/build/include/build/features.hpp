/// The feature names in a kernel's notes (<xen/features.h>): "!writable_page_tables|pae_pgdir_above_4gb".
#pragma once

#include <cstdint>
#include <string_view>

#include "build/refusal.hpp"

namespace build {

/// Features by number: bit XENFEAT_x of each word.
struct FeatureSet {
    std::uint32_t supported = 0; ///< the kernel can make use of them; contains all that it requires
    std::uint32_t required = 0;  ///< marked `!`: the kernel does not run without
};

/// Adds the features named in @p text, separated by `|`. A name that nobody knows is passed over, unless the kernel
/// requires it: that is refused.
Expected<FeatureSet> parse_features(std::string_view text, FeatureSet known = {});

/// What Tern offers a PV kernel: what XENVER_get_features says of submap 0.
extern std::uint32_t const kOfferedFeatures;

} // namespace build
