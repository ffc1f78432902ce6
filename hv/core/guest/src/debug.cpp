#include "guest/debug.hpp"

#include "arch/cpu.hpp"
#include "emulate/control_policy.hpp"

namespace guest {
namespace {

base::Status change(arch::DebugRegisters& debug, unsigned number, std::uint64_t value) {
    std::uint64_t const written = TRY(emulate::written_debug(number, value));
    if (number < debug.address.size())
        debug.address[number] = written;
    else if (number == 7)
        debug.dr7 = written;
    else
        debug.dr6 = written;
    return {};
}

} // namespace

base::Status write_debug_register(domain::Vcpu& vcpu, unsigned number, std::uint64_t value) {
    TRY(change(vcpu.debug, number, value));
    arch::load_debug_registers(vcpu.debug);
    return {};
}

void set_saved_debug_register(domain::Vcpu& vcpu, unsigned number, std::uint64_t value) {
    static_cast<void>(change(vcpu.debug, number, value));
}

std::uint64_t read_debug_register(domain::Vcpu const& vcpu, unsigned number) {
    ASSERT(number <= 7);
    auto const& debug = vcpu.debug;
    if (number < debug.address.size())
        return debug.address[number];
    return number == 7 ? debug.dr7 : number == 6 ? debug.dr6 : 0;
}

} // namespace guest
