#include "guest/bounce.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/shared_words.hpp"
#include "guest/flags.hpp"
#include "guest/mode.hpp"

namespace guest {
namespace {

using base::Err;
using base::Error;
using base::Status;
using base::Vaddr;

/// A frame while it is put together, from its high end down.
class Frame {
  public:
    void push(std::uint64_t word) { words_[--first_] = word; }
    [[nodiscard]] std::span<std::uint64_t const> words() const { return std::span{words_}.subspan(first_); }

  private:
    static constexpr std::size_t kLongest = 11; // the failsafe frame
    std::array<std::uint64_t, kLongest> words_{};
    std::size_t first_ = kLongest;
};

/// The five words that every frame ends with: where the guest was.
[[gnu::hot]] void push_interrupted(Frame& frame, domain::Vcpu const& vcpu, arch::Registers const& registers,
                                   bool from_user) {
    std::uint8_t const saved_mask = domain::upcall_mask(vcpu) ? 1 : 0;
    // Linux reads the ring of the interrupted code in CS: 3 for user mode, 0 for its own.
    std::uint64_t const cs = from_user ? registers.cs | 3 : registers.cs & ~std::uint64_t{3};
    std::uint64_t rflags = registers.rflags & ~(kFlagInterrupt | kFlagIopl);
    if (saved_mask == 0)
        rflags |= kFlagInterrupt;
    if (vcpu.domain.assisted(VMASST_TYPE_architectural_iopl))
        rflags |= std::uint64_t{vcpu.iopl} << kIoplShift;
    frame.push(registers.ss);
    frame.push(registers.rsp);
    frame.push(rflags);
    frame.push((cs & 0xffff) | std::uint64_t{saved_mask} << 32);
    frame.push(registers.rip);
}

/// Where a frame ends.
Vaddr top_of_stack(domain::Vcpu const& vcpu, arch::Registers const& registers, bool from_user) {
    return Vaddr{(from_user ? vcpu.kernel_sp : registers.rsp) & ~std::uint64_t{15}};
}

/// Where @p frame goes.
Vaddr place(Frame const& frame, domain::Vcpu const& vcpu, arch::Registers const& registers, bool from_user) {
    return Vaddr{top_of_stack(vcpu, registers, from_user).raw() - std::as_bytes(frame.words()).size()};
}

/// The frame is at @p stack: the kernel goes on there.
void go_on(domain::Vcpu& vcpu, arch::Registers& registers, Bounce const& bounce, Vaddr stack) {
    if (bounce.mask_events)
        domain::set_upcall_mask(vcpu, true);
    registers.rip = bounce.entry;
    registers.cs = FLAT_KERNEL_CS;
    registers.ss = FLAT_KERNEL_SS;
    registers.rsp = stack.raw();
    registers.rflags &= ~(kFlagTrap | kFlagNestedTask | kFlagResume | kFlagVirtual8086 | kFlagAlignmentCheck);
}

Status deliver(domain::Vcpu& vcpu, arch::Registers& registers, Frame const& frame, Bounce const& bounce,
               bool from_user) {
    Vaddr const stack = place(frame, vcpu, registers, from_user);
    TRY(domain::copy_to_guest(vcpu, domain::Mode::kernel, stack, std::as_bytes(frame.words())));
    go_on(vcpu, registers, bounce, stack);
    return {};
}

bool has_entry(Bounce const& bounce) { return bounce.entry != 0 && base::canonical(Vaddr{bounce.entry}); }

Frame compose(domain::Vcpu const& vcpu, arch::Registers const& registers, Bounce const& bounce, bool from_user) {
    Frame frame;
    push_interrupted(frame, vcpu, registers, from_user);
    if (bounce.error_code)
        frame.push(*bounce.error_code);
    frame.push(registers.r11);
    frame.push(registers.rcx);
    return frame;
}

} // namespace

Status bounce_to_kernel(domain::Vcpu& vcpu, arch::Registers& registers, Bounce const& bounce) {
    if (!has_entry(bounce))
        return Err{Error::not_found};
    bool const from_user = !vcpu.in_kernel();
    enter_kernel_mode(vcpu);
    return deliver(vcpu, registers, compose(vcpu, registers, bounce, from_user), bounce, from_user);
}

bool stack_known(domain::Vcpu& vcpu, arch::Registers const& registers) {
    Vaddr const last{top_of_stack(vcpu, registers, !vcpu.in_kernel()).raw() - sizeof(std::uint64_t)};
    return vcpu.domain.system.this_cpu().kernel_pages.find(last, sizeof(std::uint64_t)).valid();
}

bool bounce_in_guest(domain::Vcpu& vcpu, arch::Registers& registers, Bounce const& bounce) {
    bool const from_user = !vcpu.in_kernel();
    auto const frame = compose(vcpu, registers, bounce, from_user);
    auto const bytes = std::as_bytes(frame.words());
    Vaddr const stack = place(frame, vcpu, registers, from_user);
    base::Mfn const found = vcpu.domain.system.this_cpu().kernel_pages.find(stack, bytes.size());
    if (!found.valid() || !has_entry(bounce))
        return false;
    enter_kernel_mode(vcpu);
    std::memcpy(arch::direct_map(found) + stack.offset(), bytes.data(), bytes.size());
    vcpu.domain.host.mark_dirty(found);
    go_on(vcpu, registers, bounce, stack);
    return true;
}

Status bounce_failsafe(domain::Vcpu& vcpu, arch::Registers& registers, arch::Segments const& segments) {
    domain::Callback const callback = vcpu.failsafe_callback;
    if (callback.address == 0 || !base::canonical(Vaddr{callback.address}))
        return Err{Error::not_found};
    bool const from_user = !vcpu.in_kernel();
    enter_kernel_mode(vcpu);

    Frame frame;
    push_interrupted(frame, vcpu, registers, from_user);
    frame.push(segments.gs);
    frame.push(segments.fs);
    frame.push(segments.es);
    frame.push(segments.ds);
    frame.push(registers.r11);
    frame.push(registers.rcx);
    return deliver(vcpu, registers, frame, {callback.address, callback.mask_events, {}}, from_user);
}

Status bounce_exception(domain::Vcpu& vcpu, arch::Registers& registers, std::uint8_t vector,
                        std::optional<std::uint32_t> error_code) {
    domain::TrapGate const gate = vcpu.traps[vector];
    return bounce_to_kernel(vcpu, registers, {gate.address, gate.mask_events, error_code});
}

Status bounce_single_step(domain::Vcpu& vcpu, arch::Registers& registers) {
    constexpr std::uint64_t kSingleStepHit = 1U << 14; // DR6.BS
    constexpr std::uint8_t kDebug = 1;
    vcpu.debug.dr6 |= kSingleStepHit;
    return bounce_exception(vcpu, registers, kDebug);
}

Status bounce_page_fault(domain::Vcpu& vcpu, arch::Registers& registers, Vaddr address, std::uint32_t error_code) {
    domain::set_cr2(vcpu, address);
    return bounce_exception(vcpu, registers, 14, error_code);
}

} // namespace guest
