// physdev_op and platform_op: what dom0 does to the machine. Interrupt routing, PCI and power come with the drivers of
// dom0; until then those sub-operations are refused (docs/abi-coverage.md).

#include "abi/xen.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

constexpr std::uint32_t kPorts = 65536;

} // namespace

Answer physdev_op(Call& call) {
    switch (call.u32(0)) {
    case PHYSDEVOP_set_iopl: {
        auto const request = TRY(call.read<physdev_set_iopl_t>(1));
        if (request.iopl > 3)
            return Err{Error::invalid};
        call.vcpu.iopl = static_cast<std::uint8_t>(request.iopl);
        return 0;
    }
    case PHYSDEVOP_set_iobitmap: {
        auto const request = TRY(call.read<physdev_set_iobitmap_t>(1));
        if (request.nr_ports > kPorts)
            return Err{Error::invalid};
        call.vcpu.io_bitmap = address_of(request.bitmap);
        call.vcpu.io_bitmap_ports = request.nr_ports;
        return 0;
    }
    default: return Err{Error::not_implemented};
    }
}

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
