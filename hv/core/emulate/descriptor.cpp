#include "emulate/descriptor.hpp"

namespace emulate {
namespace {

// SDM vol. 3A §3.4.5
constexpr std::uint64_t kAccessed = std::uint64_t{1} << 40;
constexpr std::uint64_t kConforming = std::uint64_t{1} << 42; // of code; expand-down, of data
constexpr std::uint64_t kCode = std::uint64_t{1} << 43;
constexpr std::uint64_t kCodeOrData = std::uint64_t{1} << 44; // clear: system descriptors and gates
constexpr std::uint64_t kRing3 = std::uint64_t{3} << 45;
constexpr std::uint64_t kPresent = std::uint64_t{1} << 47;
constexpr std::uint64_t kLong = std::uint64_t{1} << 53;
constexpr std::uint64_t kDefault32 = std::uint64_t{1} << 54;

} // namespace

base::Result<std::uint64_t> checked_descriptor(std::uint64_t descriptor) {
    if ((descriptor & kPresent) == 0) // using it faults, whatever else it says
        return descriptor;
    bool const conforming_code = (descriptor & (kCode | kConforming)) == (kCode | kConforming);
    if ((descriptor & kCodeOrData) == 0 || conforming_code)
        return base::Err{base::Error::invalid};
    return descriptor | kRing3 | kAccessed;
}

CodeMode code_mode(std::uint64_t descriptor) {
    constexpr std::uint64_t kRunnable = kPresent | kCodeOrData | kCode;
    if ((descriptor & kRunnable) != kRunnable)
        return CodeMode::other;
    if ((descriptor & kLong) != 0)
        return CodeMode::bits64;
    return (descriptor & kDefault32) != 0 ? CodeMode::bits32 : CodeMode::other;
}

} // namespace emulate
