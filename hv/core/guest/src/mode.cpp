#include "guest/mode.hpp"

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "emulate/privileged.hpp"

namespace guest {

using domain::Mode;

void enter_kernel_mode(domain::Vcpu& vcpu) {
    if (vcpu.mode == Mode::kernel)
        return;
    arch::swap_gs();
    arch::use_root(arch::Root::kernel);
    vcpu.mode = Mode::kernel;
    apply_iopl(vcpu);
}

base::Status enter_user_mode(domain::Vcpu& vcpu) {
    if (vcpu.mode == Mode::user)
        return {};
    if (!vcpu.user_root.valid())
        return base::Err{base::Error::invalid};
    arch::swap_gs();
    arch::use_root(arch::Root::user);
    vcpu.mode = Mode::user;
    apply_iopl(vcpu);
    return {};
}

unsigned effective_iopl(domain::Vcpu const& vcpu) {
    // With architectural_iopl the kernel counts as ring 0, which IOPL never keeps out.
    return vcpu.in_kernel() && vcpu.domain.assisted(VMASST_TYPE_architectural_iopl) ? 3 : vcpu.iopl;
}

void apply_iopl(domain::Vcpu const& vcpu) {
    arch::allow_open_ports(vcpu.domain.privileged && emulate::iopl_allows(effective_iopl(vcpu), vcpu.in_kernel()));
}

} // namespace guest
