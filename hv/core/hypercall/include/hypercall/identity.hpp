/// What Tern says it is.
#pragma once

#include <cstdint>
#include <string_view>

namespace hypercall {

// The release of Xen whose ABI is spoken: the tools of this release manage Tern.
inline constexpr std::int64_t kXenMajor = 4;
inline constexpr std::int64_t kXenMinor = 17;
inline constexpr std::string_view kExtraVersion = ".0-tern";
inline constexpr std::string_view kChangeset = "tern";
inline constexpr std::string_view kCompiler = "gcc " __VERSION__;
// No build time: two builds of one source are the same image.
inline constexpr std::string_view kBuildDate = "unknown";

} // namespace hypercall
