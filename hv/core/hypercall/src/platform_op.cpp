// platform_op: what dom0 does to the machine as a whole (docs/abi.md §3.7). Power states and microcode are refused
// (docs/abi-coverage.md).

#include "abi/xen.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

} // namespace

Answer platform_op(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto const version = TRY(
        domain::read_guest<std::uint32_t>(call.vcpu, call.pointer(0) + offsetof(xen_platform_op_t, interface_version)));
    if (version != XENPF_INTERFACE_VERSION)
        return Err{Error::access_denied};
    return Err{Error::not_implemented};
}

} // namespace hypercall
