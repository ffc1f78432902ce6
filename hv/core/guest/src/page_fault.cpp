#include "guest/page_fault.hpp"

#include <array>
#include <span>

#include "arch/cpu.hpp"
#include "domain/descriptors.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/preemption.hpp"
#include "domain/shared_words.hpp"
#include "emulate/store.hpp"
#include "guest/bounce.hpp"

namespace guest {
namespace {

using base::Status;
using base::Vaddr;
using shadow_pt::FaultAction;

constexpr std::uint64_t kLdtWindowSize = 16 * base::kPageSize;

/// A store to a page table: decodes it and does it, entry and shadow in one go (SP-18). An error: it is the guest's
/// fault after all.
Status emulate_store(domain::Vcpu& vcpu, arch::Registers& registers, domain::Vcpu::Root const& root, Vaddr address,
                     bool& single_step) {
    std::array<std::byte, 15> code;
    auto const length = domain::fetch_instruction(vcpu, Vaddr{registers.rip}, code);
    auto const bases = [] { return emulate::SegmentBases{arch::fs_base(), arch::gs_base()}; };
    auto const store = emulate::decode_store(std::span{code}.first(length),
                                             domain::code_mode(vcpu, static_cast<std::uint16_t>(registers.cs)),
                                             registers, bases, address);
    if (!store)
        return base::Err{base::Error::invalid};
    auto const before = registers;
    Status const done = vcpu.domain.paging.emulate_store(root.tables, address, [&](std::uint64_t old) {
        auto const effect = store.value().apply(old, registers);
        single_step = effect.single_step;
        return effect.entry;
    });
    if (done)
        return {};
    registers = before;
    single_step = false;
    // Preempted: the guest executes the instruction again.
    return done.error() == base::Error::preempted ? Status{} : done;
}

Status handle_ldt_fault(domain::Vcpu& vcpu, arch::Registers& registers, std::uint64_t offset) {
    if (domain::fault_in_ldt(vcpu, offset))
        return {};
    // As if the CPU had read the guest's own LDT there.
    return bounce_page_fault(vcpu, registers, vcpu.descriptors.ldt_base + offset,
                             registers.error_code & ~shadow_pt::fault::kUser);
}

/// The CPU always says "user": for the guest it is so only in its user mode.
std::uint32_t as_the_guest_sees_it(domain::Vcpu const& vcpu, std::uint32_t error_code) {
    return (error_code & ~shadow_pt::fault::kUser) | (vcpu.in_kernel() ? 0 : shadow_pt::fault::kUser);
}

} // namespace

bool page_fault_in_guest(domain::Vcpu& vcpu, arch::Registers& registers) {
    if ((registers.error_code & shadow_pt::fault::kProtection) != 0 || !stack_known(vcpu, registers))
        return false;
    Vaddr const address = arch::fault_address();
    if (!domain::guest_address(address) || !vcpu.domain.paging.maps_nothing(vcpu.root_of(vcpu.mode).tables, address))
        return false;
    auto const error_code = as_the_guest_sees_it(vcpu, registers.error_code & ~shadow_pt::fault::kReserved);
    domain::TrapGate const gate = vcpu.traps[kPageFault];
    if (!bounce_in_guest(vcpu, registers, {gate.address, gate.mask_events, error_code}))
        return false;
    domain::set_cr2(vcpu, address);
    return true;
}

Status handle_page_fault(domain::Vcpu& vcpu, arch::Registers& registers, Vaddr address) {
    Vaddr const window = arch::ldt_window();
    if (address >= window && address - window < kLdtWindowSize)
        return handle_ldt_fault(vcpu, registers, address - window);

    if (arch::reveal(address))
        return {};

    auto const error_code = as_the_guest_sees_it(vcpu, registers.error_code);
    if (!domain::guest_address(address))
        return bounce_page_fault(vcpu, registers, address, error_code & ~shadow_pt::fault::kReserved);

    auto const& root = vcpu.root_of(vcpu.mode);
    domain::start_slice(vcpu);
    auto const answer = vcpu.domain.paging.handle_fault(root.tables, address, error_code);
    switch (answer.action) {
    case FaultAction::retry: return {};
    case FaultAction::reflect: break;
    case FaultAction::stuck: return base::Err{base::Error::no_memory};
    case FaultAction::emulate: {
        if (!vcpu.in_kernel()) // tables are the kernel's to write
            break;
        bool single_step = false;
        if (!emulate_store(vcpu, registers, root, address, single_step))
            break;
        return single_step ? bounce_single_step(vcpu, registers) : Status{};
    }
    }
    return bounce_page_fault(vcpu, registers, address, answer.error_code);
}

} // namespace guest
