/// The two-level words of an event, shared with a guest (docs/abi.md §5.2): the pending and mask bits in shared_info,
/// the selector and the upcall flag in vcpu_info.
///
/// A guest may write any of them at any moment. So each access is one atomic operation, nothing that is read here
/// is ever used as an index or believed twice, and what a guest spoils are its own events only.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/xen.hpp"
#include "base/number.hpp"

namespace events {

inline constexpr std::uint32_t kPorts = EVTCHN_2L_NR_CHANNELS; ///< 4096; port 0 is never used

/// One of the two bit arrays of shared_info.
class PortBits {
  public:
    explicit PortBits(xen_ulong_t* words) : words_{words} {}

    [[nodiscard]] bool test(base::Port port) const {
        return (word(port).load(std::memory_order_seq_cst) & bit(port)) != 0;
    }
    /// Each answers what the bit was before, and is a full barrier.
    bool test_and_set(base::Port port) const {
        return (word(port).fetch_or(bit(port), std::memory_order_seq_cst) & bit(port)) != 0;
    }
    bool test_and_clear(base::Port port) const {
        return (word(port).fetch_and(~bit(port), std::memory_order_seq_cst) & bit(port)) != 0;
    }

  private:
    [[nodiscard]] std::atomic_ref<xen_ulong_t> word(base::Port port) const {
        return std::atomic_ref{words_[port.raw() / 64 % 64]};
    }
    static constexpr xen_ulong_t bit(base::Port port) { return xen_ulong_t{1} << (port.raw() % 64); }

    xen_ulong_t* words_;
};

/// Tells the vCPU whose words are @p info to look at the ports around @p port. True if the vCPU must be notified:
/// nobody has told it so yet.
inline bool set_upcall(vcpu_info_t& info, base::Port port) {
    auto const group = xen_ulong_t{1} << (port.raw() / 64 % 64);
    // The selector before the flag: the guest clears the flag first and reads the selector after.
    if ((std::atomic_ref{info.evtchn_pending_sel}.fetch_or(group, std::memory_order_seq_cst) & group) != 0)
        return false;
    return std::atomic_ref{info.evtchn_upcall_pending}.exchange(1, std::memory_order_seq_cst) == 0;
}

/// Tells the vCPU whose words are @p info to look at all its ports.
inline void set_upcall_for_all(vcpu_info_t& info) {
    std::atomic_ref{info.evtchn_pending_sel}.store(~xen_ulong_t{0}, std::memory_order_seq_cst);
    std::atomic_ref{info.evtchn_upcall_pending}.store(1, std::memory_order_seq_cst);
}

} // namespace events
