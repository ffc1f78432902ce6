#include "record/check.hpp"

#include <algorithm>

namespace record {
namespace {

using base::Err;
using base::Error;
using base::Status;

Status valid(bool good) {
    if (!good)
        return Err{Error::invalid};
    return {};
}

constexpr std::uint32_t kVcpuFlags =
    TERN_RECORD_V_initialised | TERN_RECORD_V_up | TERN_RECORD_V_blocked | TERN_RECORD_V_polling |
    TERN_RECORD_V_in_nmi | TERN_RECORD_V_nmi_pending | TERN_RECORD_V_syscall32_masks | TERN_RECORD_V_sysenter_masks |
    TERN_RECORD_V_fs_base_by_selector | TERN_RECORD_V_gs_base_by_selector | TERN_RECORD_V_other_gs_base_by_selector;

/// VIRQs of which each vCPU has its own (docs/abi.md §3.10).
constexpr bool is_vcpus_own(std::uint32_t virq) {
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

bool good_alone(tern_record_channel const& one, std::uint32_t limit, std::uint32_t vcpus) {
    if (one.port == 0 || one.port >= limit || one.vcpu >= vcpus || one.priority != 0)
        return false;
    switch (one.state) {
    case EVTCHNSTAT_unbound: return one.number <= DOMID_SELF && one.peer == 0;
    case EVTCHNSTAT_interdomain: return one.number <= DOMID_SELF && one.peer != 0 && one.peer < kMostPorts;
    case EVTCHNSTAT_virq: return one.number < NR_VIRQS && one.peer == 0;
    case EVTCHNSTAT_ipi: return one.number == 0 && one.peer == 0;
    default: return false;
    }
}

tern_record_channel const* find(std::span<tern_record_channel const> channels, std::uint32_t port) {
    auto const* const found =
        std::lower_bound(channels.data(), channels.data() + channels.size(), port,
                         [](tern_record_channel const& one, std::uint32_t wanted) { return one.port < wanted; });
    return found != channels.data() + channels.size() && found->port == port ? found : nullptr;
}

bool bound_within(tern_record_channel const& one) {
    return one.state == EVTCHNSTAT_interdomain && one.number == DOMID_SELF;
}

bool ends_agree(std::span<tern_record_channel const> channels, tern_record_channel const& one) {
    auto const* const other = find(channels, one.peer);
    return other != nullptr && bound_within(*other) && other->peer == one.port;
}

/// Each VIRQ once for the domain, or once for each vCPU.
bool virqs_once(std::span<tern_record_channel const> channels) {
    std::array<bool, NR_VIRQS> shared{};
    std::array<std::array<std::uint64_t, kMostVcpus / 64>, NR_VIRQS> own{};
    for (auto const& one : channels) {
        if (one.state != EVTCHNSTAT_virq)
            continue;
        auto& word = own[one.number][one.vcpu / 64];
        auto const bit = std::uint64_t{1} << one.vcpu % 64;
        bool& before = shared[one.number];
        if (is_vcpus_own(one.number) ? (word & bit) != 0 : before)
            return false;
        word |= bit;
        before = true;
    }
    return true;
}

} // namespace

Status check(tern_record_domain const& domain) {
    return valid(domain.vcpus != 0 && domain.vcpus <= kMostVcpus && domain.address_size == 64 &&
                 domain.max_ports != 0 && domain.max_ports <= kMostPorts && domain.max_grant_version != 0 &&
                 domain.max_grant_version <= 2 && domain.max_grant_frames != 0 &&
                 domain.max_grant_frames <= kMostGrantFrames && domain.shut_down <= 1 && domain.weight != 0);
}

Status check(tern_record_cpu const& cpu) { return valid(cpu.unused == 0 && (cpu.xcr0 & 1) != 0); }

Status check(tern_record_time const& time) {
    return valid(time.tsc_khz != 0 && time.wall_nanoseconds < 1'000'000'000 && time.tsc_stable <= 1);
}

Status check(tern_record_range const& range) { return valid(range.unused == 0); }

Status check(tern_record_vcpu const& vcpu) {
    bool const initialised = (vcpu.flags & TERN_RECORD_V_initialised) != 0;
    bool const needs_context =
        (vcpu.flags & (TERN_RECORD_V_up | TERN_RECORD_V_blocked | TERN_RECORD_V_polling | TERN_RECORD_V_in_nmi)) != 0;
    return valid((vcpu.flags & ~kVcpuFlags) == 0 && (initialised || !needs_context) && vcpu.io_bitmap_ports <= 65536 &&
                 vcpu.tsc_aux <= 0xffff'ffff);
}

Status check(tern_record_extended_state const& state) { return valid((state.xcr0 & 1) != 0); }

Status check(tern_record_timers const& timers) {
    bool const periodic = timers.periodic != TERN_RECORD_NONE;
    bool const good_period =
        periodic ? timers.period >= kShortestPeriod && timers.period <= kLongestPeriod : timers.period == 0;
    return valid(timers.runstate <= RUNSTATE_offline && timers.unused == 0 && good_period);
}

Status check(tern_record_areas const& areas) {
    bool const somewhere = areas.vcpu_info_gfn != TERN_RECORD_NONE;
    return valid((somewhere ? areas.vcpu_info_gfn < kEndGfn : areas.vcpu_info_offset == 0) &&
                 areas.vcpu_info_offset % alignof(vcpu_info_t) == 0 &&
                 areas.vcpu_info_offset <= kPageSize - sizeof(vcpu_info_t));
}

Status check(tern_record_channels const& channels) {
    return valid(channels.limit != 0 && channels.limit <= kMostPorts && channels.unused == 0);
}

Status check(tern_record_grants const& grants) {
    return valid((grants.version == 1 || grants.version == 2) && grants.frames <= kMostGrantFrames);
}

Status check(std::span<tern_record_channel const> channels, std::uint32_t limit, std::uint32_t vcpus) {
    std::uint32_t previous = 0;
    for (auto const& one : channels) {
        if (one.port <= previous || !good_alone(one, limit, vcpus))
            return Err{Error::invalid};
        previous = one.port;
    }
    if (!virqs_once(channels))
        return Err{Error::invalid};
    return valid(std::all_of(channels.begin(), channels.end(), [&](tern_record_channel const& one) {
        return !bound_within(one) || ends_agree(channels, one);
    }));
}

Status check_tables(std::span<std::uint64_t const> tables, std::uint64_t previous) {
    for (auto const entry : tables) {
        auto const gfn = TERN_RECORD_TABLE_gfn(entry);
        auto const level = TERN_RECORD_TABLE_level(entry);
        bool const rising = previous == TERN_RECORD_NONE || gfn > previous;
        if (!rising || gfn >= kEndGfn || level < 1 || level > 4 ||
            entry != TERN_RECORD_TABLE(gfn, level, TERN_RECORD_TABLE_pinned(entry)))
            return Err{Error::invalid};
        previous = gfn;
    }
    return {};
}

Status fits(tern_record_cpu const& told, tern_record_cpu const& here) {
    bool good = std::equal(std::begin(told.vendor), std::end(told.vendor), std::begin(here.vendor)) &&
                (told.xcr0 & ~here.xcr0) == 0;
    for (std::size_t i = 0; i < TERN_RECORD_FEATURE_WORDS; ++i)
        good = good && (told.features[i] & ~here.features[i]) == 0;
    if (!good)
        return Err{Error::no_device};
    return {};
}

} // namespace record
