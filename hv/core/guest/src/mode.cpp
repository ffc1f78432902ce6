#include "guest/mode.hpp"

#include "arch/cpu.hpp"

namespace guest {

using domain::Mode;

void enter_kernel_mode(domain::Vcpu& vcpu) {
    if (vcpu.mode == Mode::kernel)
        return;
    arch::swap_gs();
    arch::use_root(arch::Root::kernel);
    vcpu.mode = Mode::kernel;
}

base::Status enter_user_mode(domain::Vcpu& vcpu) {
    if (vcpu.mode == Mode::user)
        return {};
    if (!vcpu.user_root.valid())
        return base::Err{base::Error::invalid};
    arch::swap_gs();
    arch::use_root(arch::Root::user);
    vcpu.mode = Mode::user;
    return {};
}

} // namespace guest
