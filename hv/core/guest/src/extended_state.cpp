#include <algorithm>
#include <cstring>

#include "arch/cpu.hpp"
#include "emulate/control_policy.hpp"
#include "guest/context.hpp"

namespace guest {
namespace {

using base::Err;
using base::Error;

// The XSAVE header follows the part that FXSAVE knows (SDM vol. 1 §13.4.2).
constexpr std::size_t kLegacySize = 512, kHeaderSize = 64;

/// XSTATE_BV: the components that @p area holds; all others are in their initial state.
std::uint64_t components(std::span<std::byte const> area) {
    std::uint64_t held = 0;
    std::memcpy(&held, area.data() + kLegacySize, sizeof held);
    return held;
}

} // namespace

base::Status set_extended_state(domain::Vcpu& vcpu, std::uint64_t xcr0, std::span<std::byte const> area) {
    auto const size = arch::extended_state_size();
    if (!emulate::valid_xcr0(xcr0, arch::supported_xcr0()) || (!area.empty() && area.size() < kLegacySize))
        return Err{Error::invalid};
    if (area.size() > size && (components(area) & ~arch::supported_xcr0()) != 0)
        return Err{Error::invalid};
    vcpu.xcr0 = xcr0;
    if (area.empty())
        return {};
    auto* const into = vcpu.saved.extended_state;
    arch::init_extended_state(into);
    if (area.size() < kLegacySize + kHeaderSize || size < kLegacySize + kHeaderSize)
        arch::write_legacy_state(into, area.first<kLegacySize>());
    else
        std::memcpy(into, area.data(), std::min(area.size(), size));
    return {};
}

} // namespace guest
