/// The event channels of one domain: what each port is bound to, and raising it (docs/abi.md §3.10, §5.1-5.4).
///
///     EventTable table{domain, id, links, shared_info, channels, vcpus};
///     Notice const notice = TRY(table.send(port));   // bits are set, locks released
///     deliver(notice);                               // the caller wakes whom it names
///
/// Only the two-level ABI. Who may do what to whom (a privileged caller, a domain that exists, DOMID_SELF) has been
/// settled by the caller; everything else that Xen refuses is refused here, with the error that Xen gives.
///
/// Locks. Each table has one (LockRank::events), which guards its channels. What links two tables changes only
/// under the LinkLock that all tables share and under both tables' locks. So under its own lock a table may follow
/// `peer` and raise there, without the peer's lock: the peer cannot let go of the link, and hence cannot die. Sending
/// takes one lock, and nothing that is global.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "abi/xen.hpp"
#include "base/lock.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "events/channel.hpp"
#include "events/notice.hpp"
#include "events/shared_words.hpp"
#include "events/virq.hpp"

namespace events {

/// One for all tables: held while two ends are linked or unlinked.
using LinkLock = base::SpinLock<base::LockRank::event_links>;

/// A vCPU, as its domain's table sees it.
struct Target {
    /// Where its words are: its slot of shared_info, or the area that it registered; null: none yet.
    std::atomic<vcpu_info_t*> info{nullptr};
    std::array<std::uint16_t, kVcpuVirqs> virq_ports{}; ///< 0: not bound
};

class EventTable {
  public:
    /// All that is referred to must outlive the table. @p channels bounds the ports (at most kPorts, all free);
    /// @p vcpus has one target for each vCPU that the domain may ever have; the first 32 get their slots of @p shared.
    EventTable(Owner& owner, base::DomId id, LinkLock& links, shared_info_t& shared, std::span<Channel> channels,
               std::span<Target> vcpus);
    EventTable(EventTable const&) = delete;
    EventTable& operator=(EventTable const&) = delete;

    [[nodiscard]] base::DomId id() const { return id_; }

    // --- making and closing ports; the lowest free one is given, Error::no_space if there is none -------------------

    /// A port that domain @p remote may bind to.
    [[nodiscard]] base::Result<base::Port> alloc_unbound(base::DomId remote);

    struct Bound {
        base::Port port;
        Notice notice; ///< the new port is pending from the start
    };
    /// Binds a new port to @p remote_port of @p remote, which waits for this domain. @p remote may be this table.
    [[nodiscard]] base::Result<Bound> bind_interdomain(EventTable& remote, base::Port remote_port);

    [[nodiscard]] base::Result<base::Port> bind_virq(std::uint32_t virq, base::VcpuId vcpu);
    [[nodiscard]] base::Result<base::Port> bind_ipi(base::VcpuId vcpu);
    /// The caller has checked that the domain may have @p pirq, and connects it afterwards.
    [[nodiscard]] base::Result<base::Port> bind_pirq(std::uint32_t pirq);

    struct Closed {
        std::optional<std::uint32_t> pirq; ///< the caller must disconnect it
    };
    /// The other end, if any, waits for this domain again.
    [[nodiscard]] base::Result<Closed> close(base::Port port);

    /// The domain is dying: no port can be made any more. Afterwards close every port below limit().
    void retire();

    /// The first port number that does not exist yet: tables grow by 64 ports, as Xen's do.
    [[nodiscard]] base::Port limit() const { return base::Port{limit_.load(std::memory_order_acquire)}; }

    // --- raising -----------------------------------------------------------------------------------------------------

    /// EVTCHNOP_send. To a port that nobody has bound yet it is nothing, as in Xen.
    [[nodiscard]] base::Result<Notice> send(base::Port port);
    /// Nothing happens if @p virq is not bound. @p vcpu counts for a VIRQ that each vCPU has for itself.
    Notice raise_virq(std::uint32_t virq, base::VcpuId vcpu = {});
    /// @p port is what bind_pirq gave; nothing happens if it is not bound to @p pirq any more.
    Notice raise_pirq(base::Port port, std::uint32_t pirq);
    /// Of a port that waits for @p remote to bind to it, as if that had bound to it and sent. `invalid`: @p port is none.
    [[nodiscard]] base::Result<Notice> raise_waiting(base::Port port, base::DomId remote);
    /// Clears the mask bit, and tells the vCPU what it missed.
    [[nodiscard]] base::Result<Notice> unmask(base::Port port);

    /// For SCHEDOP_poll. The poller makes itself known (seq_cst) *before* it asks: then either it sees the bit here, or
    /// the raiser, who has set the bit before it looks for pollers, sees the poller.
    [[nodiscard]] base::Result<bool> is_pending(base::Port port) const;

    // --- asking and changing -------------------------------------------------------------------------------------------

    /// Whether @p port is there for @p remote to bind to, and it has not done so yet.
    [[nodiscard]] bool waits_for(base::Port port, base::DomId remote);
    /// EVTCHNOP_status; `dom` and `port` are filled in, too.
    [[nodiscard]] base::Result<evtchn_status_t> status(base::Port port);
    /// The vCPU to notify from now on. Refused for what belongs to one vCPU: IPIs, and a vCPU's own VIRQs.
    [[nodiscard]] base::Status bind_vcpu(base::Port port, base::VcpuId vcpu);

    /// The FIFO ABI is not there: these check what they are given, all but its frame, and then answer
    /// Error::not_implemented.
    [[nodiscard]] base::Status init_control(evtchn_init_control_t const& request) const;
    [[nodiscard]] base::Status set_priority(evtchn_set_priority_t const& request) const;

    // --- a domain's record (record.cpp) -------------------------------------------------------------------------------

    /// A port that is not free, and neither a physical interrupt's.
    struct Saved {
        base::Port port;
        State state = State::unbound;
        base::VcpuId vcpu;
        std::uint32_t number = 0; ///< the other domain (this one for what is bound within it), or the VIRQ
        base::Port peer{};        ///< interdomain: the other's port
    };
    /// What @p port is bound to; nothing if it is free. not_supported: a physical interrupt, which stays with its host.
    [[nodiscard]] base::Result<std::optional<Saved>> saved(base::Port port);
    /// How many ports there may be; port 0 counts.
    [[nodiscard]] std::uint32_t most_ports() const { return static_cast<std::uint32_t>(channels_.size()); }
    /// The table, in which no port is bound to anything, becomes @p ports, below @p limit. Where another domain was at the other
    /// end, they wait for it. `busy`: something is bound. REQUIRES: record::check() of them, and @p limit <= most_ports().
    [[nodiscard]] base::Status restore(std::span<Saved const> ports, std::uint32_t limit);
    /// If @p port is pending, tells its vCPU, as if it were raised now: after restore(), when the words are there.
    Notice remind(base::Port port);
    /// The words of @p vcpu, which does not run, are at @p at, and say what they have to say.
    void restore_vcpu_info(base::VcpuId vcpu, vcpu_info_t& at);
    /// ... or where they were when the domain was made.
    void forget_vcpu_info(base::VcpuId vcpu);

    // --- vcpu_info ---------------------------------------------------------------------------------------------------

    /// Null: none yet, or no such vCPU.
    [[nodiscard]] vcpu_info_t* vcpu_info(base::VcpuId vcpu) const;

    /// Moves the words of @p vcpu, which is the caller or does not run, to @p to: copies what the old place holds,
    /// and has the vCPU look at all its ports, since an event may have been noted in the old place meanwhile. Others
    /// may still write to the old place until they leave the hypervisor.
    void move_vcpu_info(base::VcpuId vcpu, vcpu_info_t& to);

  private:
    using Lock = base::SpinLock<base::LockRank::events>;
    class BothLocked;
    static constexpr std::uint32_t kGrowth = 64;

    [[nodiscard]] bool exists(base::Port port) const { return port.raw() < limit_.load(std::memory_order_acquire); }
    [[nodiscard]] bool has_vcpu(base::VcpuId vcpu) const { return vcpu.raw() < vcpus_.size(); }
    Channel& channel(base::Port port) { return channels_[port.raw()]; }

    // With the lock held:
    bool is_waiting(base::Port port, base::DomId remote);
    base::Result<base::Port> take_free_port();
    base::Port bind(base::Port port, State state, std::uint32_t number, base::VcpuId vcpu);
    void release(base::Port port);
    std::uint16_t& virq_port(std::uint32_t virq, base::VcpuId vcpu);
    /// With this table's lock held, or that of the table at the other end of @p port.
    Notice raise(base::Port port);
    Notice notify_unmasked(base::Port port, bool newly_pending);

    Owner& owner_;
    base::DomId const id_;
    LinkLock& links_;
    shared_info_t& shared_;
    PortBits const pending_;
    PortBits const mask_;
    std::span<Channel> const channels_;
    std::span<Target> const vcpus_;

    mutable Lock lock_;
    std::atomic<std::uint32_t> limit_;
    std::uint32_t lowest_free_ = 1; ///< no port below it is free
    bool retired_ = false;
    std::array<std::uint16_t, kVirqs> global_virq_ports_{}; ///< 0: not bound
};

} // namespace events
