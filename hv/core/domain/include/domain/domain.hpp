/// A domain: memory, vCPUs, event channels, grants, under one id.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "abi/xen.hpp"
#include "base/fixed_vector.hpp"
#include "base/lock.hpp"
#include "base/number.hpp"
#include "console/guest_line.hpp"
#include "domain/log_dirty.hpp"
#include "domain/paging_host.hpp"
#include "domain/record_progress.hpp"
#include "domain/stamps.hpp"
#include "domain/system.hpp"
#include "domain/vcpu.hpp"
#include "domain/watchdog.hpp"
#include "events/event_table.hpp"
#include "grants/lock.hpp"
#include "logdirty/dirty_log.hpp"
#include "mm/gfn_map.hpp"
#include "shadow_pt/paging.hpp"

namespace domain {

/// The assists that a guest may switch (vm_assist, docs/abi.md §2.6): all are either always on here, or remembered.
inline constexpr std::uint64_t kVmAssists = [] {
    std::uint64_t all = 0;
    for (auto const one : {VMASST_TYPE_4gb_segments, VMASST_TYPE_4gb_segments_notify, VMASST_TYPE_writable_pagetables,
                           VMASST_TYPE_pae_extended_cr3, VMASST_TYPE_architectural_iopl,
                           VMASST_TYPE_runstate_update_flag, VMASST_TYPE_m2p_strict})
        all |= std::uint64_t{1} << one;
    return all;
}();

/// How far the end of a domain has come (domain/teardown.hpp).
struct Teardown {
    static constexpr std::uint32_t kBatch = 64;
    enum class Step : std::uint8_t { alive, dead, detached, released, empty };
    std::atomic<Step> step{Step::alive};
    std::atomic<bool> busy{false};
    base::GrantHandle mappings{}; ///< those below are released
    base::Gfn cursor{0};          ///< numbers below are cleared
    std::array<mm::FrameRef, kBatch> taken;
    std::uint32_t count = 0; ///< of `taken`
};

struct Domain : events::Owner {
    Domain(System& whole, base::DomId number, bool privileged_one, mm::Translation translation,
           std::span<Vcpu*> vcpu_slots, std::span<events::Channel> channel_slots,
           std::span<events::Target> target_slots, base::Mfn shared_info_frame, grants::Grants::Limits grant_limits);

    [[nodiscard]] bool translated() const { return gfns.translated(); }
    /// @p assist: VMASST_TYPE_*.
    [[nodiscard]] bool assisted(unsigned assist) const {
        return (vm_assist.load(std::memory_order_relaxed) >> assist & 1) != 0;
    }
    /// The vCPU with this id; null if the domain has none such.
    [[nodiscard]] Vcpu* vcpu(base::VcpuId number) const {
        return number.raw() < vcpus.size() ? vcpus[number.raw()] : nullptr;
    }

    /// What the domain calls system time: the host's, but for one that came from another host without being told.
    [[nodiscard]] std::uint64_t guest_time(std::uint64_t hosts) const { return hosts + clock_offset.load(); }
    [[nodiscard]] std::uint64_t guest_now() const { return guest_time(system.now()); }
    /// When on this host it is @p guests: what is long past is the beginning, what never comes does not.
    [[nodiscard]] std::uint64_t host_time(std::uint64_t guests) const;

    /// The number by which the domain knows a frame of its own; invalid if it is in no map.
    [[nodiscard]] base::Gfn gfn_of(base::Mfn frame) const { return system.frames.gfn_of(frame); }

    System& system;
    base::DomId const id;
    bool const privileged;
    std::span<Vcpu*> const vcpus;
    std::span<events::Channel> const channels;
    std::span<events::Target> const targets;

    mm::GfnMap gfns;
    base::Mfn const shared_frame; ///< the page that the guest maps as shared_info
    shared_info_t& shared;
    events::EventTable events;
    grants::LockedGrants grants;
    logdirty::DirtyLog log; ///< of what was written
    LogDirtyProgress log_dirty;
    PagingHost host;
    shadow_pt::Paging<PagingHost> paging;

    /// Held while pages of a vCPU's Descriptors change, and while another CPU writes through them.
    base::SpinLock<base::LockRank::vcpu> descriptors_lock;

    xen_domain_handle_t handle{};
    base::Guarded<console::GuestLine, base::LockRank::domain> console_line; ///< written, but without its end yet
    /// What the builder says of the domain's memory (XENMEM_set_memory_map); empty: nothing.
    base::Guarded<base::FixedVector<E820Entry, 128>, base::LockRank::domain> memory_map;
    std::atomic<std::uint64_t> vm_assist{0};
    std::atomic<std::int64_t> time_offset{0}; ///< of its wall clock against UTC, in seconds; tell_wall_clock() tells it
    std::atomic<std::uint32_t> tsc_mode{0};   ///< what it is told of its TSC, which is always the CPU's own
    std::atomic<std::uint32_t> tsc_incarnation{0}; ///< how often that was set: once a host that it has been on
    sched::Budget budget;                          ///< what its vCPUs may run together
    Watchdogs watchdogs{*this};
    std::atomic<std::uint64_t> clock_offset{
        0}; ///< of its system time; modulo 2^64; changes while the domain has never run
    RecordProgress record;
    base::Mfn ends_frame;                 ///< where it reads which pirqs want an end, held writable; invalid: none
    std::atomic<bool> tells_ends{false};  ///< there is, or is just to be, such a page
    std::atomic<bool> end_unmasks{false}; ///< PHYSDEVOP_eoi unmasks the port, too (PHYSDEVOP_pirq_eoi_gmfn_v1)
    std::atomic<std::uint32_t> pauses{0}; ///< by the toolstack
    std::atomic<std::uint32_t> shutdown_code{~0U};
    std::atomic<bool> shut_down{false};
    std::atomic<bool> dying{false};
    std::atomic<std::uint32_t> suspend_port{0}; ///< of domain 0: raised when it suspends itself; 0: none
    Stamps stamps;
    Teardown teardown; ///< of the CPU that has made it busy
};

/// True for an address that a guest may use: canonical, and outside of the hypervisor's slots (docs/abi.md §2.1).
constexpr bool guest_address(base::Vaddr address) {
    return base::canonical(address) && (address.raw() < HYPERVISOR_VIRT_START || address.raw() >= HYPERVISOR_VIRT_END);
}

// --- PagingHost: what changes of entries ask for most, here so that it is no call --------------------------------------------

inline base::Result<shadow_pt::Target> PagingHost::translate_own(base::Gfn gfn) {
    auto const frame = domain_.gfns.hold(gfn);
    if (!frame.valid())
        return translate_unmapped(gfn);
    auto const kind =
        system_.frames.info(frame).special() ? shadow_pt::TargetKind::special : shadow_pt::TargetKind::own;
    return shadow_pt::Target{.frame = frame, .kind = kind, .shown = gfn};
}

inline base::Mfn PagingHost::named_frame(base::Gfn gfn) { return domain_.gfns.named(gfn); }

inline bool PagingHost::still_names(base::Gfn gfn, base::Mfn frame) const {
    return domain_.translated() ? system_.frames.gfn_of(frame) == gfn : gfn.raw() == frame.raw();
}

inline bool PagingHost::translates(base::Gfn gfn, base::Mfn frame) const {
    auto const& info = system_.frames.info(frame);
    return still_names(gfn, frame) && info.owner_id() == domain_.id && info.has(mm::frame_in_gfn_map);
}

inline void PagingHost::mark_dirty(base::Mfn frame) {
    if (system_.frames.info(frame).owner_id() == domain_.id && !domain_.log.on())
        return; // most often: its own, and nobody wants to know
    mark_in_log(frame);
}

inline void PagingHost::became_table(base::Gfn gfn) { domain_.log.tell_table(gfn); }

} // namespace domain
