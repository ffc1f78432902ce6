// platform_op: what dom0 does to the machine as a whole (docs/abi.md §3.7). Firmware's data, microcode, CPU hotplug and
// sleeping are refused (docs/abi-coverage.md).

#include "abi/xen.hpp"
#include "arch/devices.hpp"
#include "console/global.hpp"
#include "domain/lifecycle.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

constexpr std::uint32_t kOff = 5; ///< ACPI's S5

Answer set_time(Call& call, timing::WallTime now, std::uint64_t system_time) {
    domain::set_wall_clock(call.domain().system, TRY(timing::wall_time_at_boot(now, system_time)));
    return 0;
}

Answer enter_sleep(xenpf_enter_acpi_sleep_t const& request) {
    if (request.flags != 0 || request.sleep_state != kOff)
        return Err{Error::not_supported};
    console::info("dom0 switches the machine off");
    arch::power_off({.pm1a = request.val_a, .pm1b = request.val_b});
}

Answer cpu_info(Call& call, xen_platform_op_t& op) {
    auto& info = op.u.pcpu_info;
    auto const count = arch::online_cpus();
    info.max_present = count - 1;
    info.flags = XEN_PCPU_FLAGS_INVALID;
    if (info.xen_cpuid < count) {
        auto const id = arch::firmware_id(base::CpuId{info.xen_cpuid});
        info.flags = XEN_PCPU_FLAGS_ONLINE;
        info.apic_id = id.apic_id;
        info.acpi_id = id.acpi_id;
    }
    TRY(call.write(0, op));
    return 0;
}

} // namespace

Answer platform_op(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto op = TRY(call.read<xen_platform_op_t>(0));
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return Err{Error::access_denied};
    switch (op.cmd) {
    case XENPF_settime32:
        return set_time(call, {.seconds = op.u.settime32.secs, .nanoseconds = op.u.settime32.nsecs},
                        op.u.settime32.system_time);
    case XENPF_settime64:
        if (op.u.settime64.mbz != 0)
            return Err{Error::invalid};
        return set_time(call, {.seconds = op.u.settime64.secs, .nanoseconds = op.u.settime64.nsecs},
                        op.u.settime64.system_time);
    case XENPF_enter_acpi_sleep: return enter_sleep(op.u.enter_acpi_sleep);
    case XENPF_get_cpuinfo: return cpu_info(call, op);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
