/// Kernel and user mode of a guest. Both run at CPL 3; what differs is the root and which GS base is active
/// (docs/abi.md §0.2, §4.5).
#pragma once

#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Makes @p vcpu, which runs on this CPU, run in kernel mode from now on. Nothing if it does already.
[[gnu::hot]] void enter_kernel_mode(domain::Vcpu& vcpu);

/// The other way. Error::invalid if the guest has given no user root: the domain cannot go on (docs/abi.md §2.2).
[[nodiscard, gnu::hot]] base::Status enter_user_mode(domain::Vcpu& vcpu);

/// The privilege over ports that @p vcpu's guest has in its present mode, and so whether it must ask each time.
[[nodiscard]] unsigned effective_iopl(domain::Vcpu const& vcpu);
/// Has this CPU, which runs @p vcpu, know it: after a change of its mode, its IOPL, or the CPU.
[[gnu::hot]] void apply_iopl(domain::Vcpu const& vcpu);

} // namespace guest
