/// The words of vcpu_info that Tern and a guest share, byte by byte: a guest may write them at any moment.
#pragma once

#include <atomic>

#include "base/frame.hpp"
#include "domain/vcpu.hpp"

namespace domain {

/// evtchn_upcall_mask: the virtual interrupt flag, inverted.
inline bool upcall_mask(Vcpu const& vcpu) {
    return std::atomic_ref{vcpu.info()->evtchn_upcall_mask}.load(std::memory_order_relaxed) != 0;
}
inline void set_upcall_mask(Vcpu& vcpu, bool masked) {
    std::atomic_ref{vcpu.info()->evtchn_upcall_mask}.store(masked ? 1 : 0, std::memory_order_relaxed);
}
/// evtchn_upcall_pending. Acquire: what was made pending before it was set is seen after.
inline bool upcall_pending(Vcpu const& vcpu) {
    return std::atomic_ref{vcpu.info()->evtchn_upcall_pending}.load(std::memory_order_acquire) != 0;
}
/// True if an event would be delivered now.
inline bool upcall_due(Vcpu const& vcpu) { return upcall_pending(vcpu) && !upcall_mask(vcpu); }

inline void set_cr2(Vcpu& vcpu, base::Vaddr address) { vcpu.info()->arch.cr2 = address.raw(); }

} // namespace domain
