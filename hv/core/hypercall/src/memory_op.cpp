// memory_op: how much memory there is, where, and giving and taking it (docs/abi.md §3.4).

#include <algorithm>

#include "abi/xen.hpp"
#include "domain/heap.hpp"
#include "domain/m2p.hpp"
#include "domain/memory.hpp"
#include "domain/preemption.hpp"
#include "domain/special_gfns.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;
using base::Pfn;
using domain::Domain;

// A continued operation tells where it goes on in the upper bits of its command (<xen/memory.h>, MEMOP_*).
constexpr unsigned kCommandBits = 6;
constexpr std::uint64_t kCommandMask = (1U << kCommandBits) - 1;

/// The domain that @p id names for @p call: its own, or another that it may manage.
base::Result<Domain*> subject(Call& call, domid_t id) {
    if (id == DOMID_SELF || base::DomId{id} == call.domain().id)
        return &call.domain();
    Domain* const found = call.domain().system.find(base::DomId{id});
    if (found == nullptr)
        return Err{Error::no_such_domain};
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    return found;
}

constexpr std::uint64_t kMostExtents = ~std::uint32_t{0} >> kCommandBits; ///< that a continued call could still count

/// Carries out @p step(target, reservation, i) for the extents of the reservation at argument 1, from where the last try
/// stopped. Answers how many were done: as in Xen, whatever is wrong with one extent, or with the whole request, ends
/// the call with the count instead of an error.
template <typename Step> Answer for_each_extent(Call& call, Step&& step) {
    std::uint64_t const start = call.args[0] >> kCommandBits;
    auto const done = [](std::uint64_t count) { return static_cast<std::int64_t>(count); };
    auto const readable = call.read<xen_memory_reservation_t>(1);
    if (!readable)
        return done(start);
    auto const& request = readable.value();
    auto const target = subject(call, request.domid);
    if (!target || request.nr_extents > kMostExtents || request.extent_order > domain::kLargestExtentOrder)
        return done(start);
    std::uint64_t i = start;
    for (; i < request.nr_extents; ++i) {
        bool const late = i != start && domain::should_yield(call.vcpu);
        base::Status const status = late ? base::Status{Err{Error::preempted}} : step(*target.value(), request, i);
        if (status)
            continue;
        if (status.error() != Error::preempted)
            break;
        call.args[0] = (call.args[0] & kCommandMask) | i << kCommandBits;
        return Err{Error::preempted};
    }
    return done(i);
}

using Reservation = xen_memory_reservation_t;

Answer decrease_reservation(Call& call) {
    return for_each_extent(call, [&](Domain& target, Reservation const& request, std::uint64_t i) -> base::Status {
        domain::GuestArray<xen_pfn_t> const extents{call.vcpu, address_of(request.extent_start)};
        return domain::give_up_extent(target, Gfn{TRY(extents.read(i))}, request.extent_order);
    });
}

Answer populate_physmap(Call& call) {
    return for_each_extent(call, [&](Domain& target, Reservation const& request, std::uint64_t i) -> base::Status {
        domain::GuestArray<xen_pfn_t> const extents{call.vcpu, address_of(request.extent_start)};
        Pfn const pfn{TRY(extents.read(i))};
        Gfn const gfn =
            TRY(domain::add_extent(target, pfn, request.extent_order, XENMEMF_get_address_bits(request.mem_flags)));
        return extents.write(i, gfn.raw());
    });
}

/// Frames that the domain will say the pseudo-physical numbers of, or not. Without a list it is not told which.
Answer increase_reservation(Call& call) {
    return for_each_extent(call, [&](Domain& target, Reservation const& request, std::uint64_t i) -> base::Status {
        Gfn const gfn =
            TRY(domain::add_extent(target, Pfn{}, request.extent_order, XENMEMF_get_address_bits(request.mem_flags)));
        auto const extents = address_of(request.extent_start);
        if (extents.raw() == 0)
            return {};
        return domain::GuestArray<xen_pfn_t>{call.vcpu, extents}.write(i, gfn.raw());
    });
}

/// Who has frame numbers of the machine's cannot choose what is where, and a paravirtual guest never can.
template <typename Request> Answer change_physmap(Call& call, std::uint16_t never, Error why) {
    if (call.args[0] >> kCommandBits > 0xffff)
        return Err{Error::out_of_domain};
    auto const request = TRY(call.read<Request>(1));
    if constexpr (requires { request.space; })
        if (request.space == never)
            return Err{why};
    static_cast<void>(TRY(subject(call, request.domid)));
    return Err{Error::access_denied};
}

/// No device of the machine's has memory reserved for it that guests would have to know of.
Answer reserved_device_memory(Call& call) {
    auto request = TRY(call.read<xen_reserved_device_memory_map_t>(1));
    if ((request.flags & ~std::uint32_t{XENMEM_RDM_ALL}) != 0)
        return Err{Error::invalid};
    request.nr_entries = 0;
    TRY(call.write(1, request));
    return 0;
}

/// No domain has virtual nodes.
Answer vnuma_info(Call& call) {
    auto const request = TRY(call.read<xen_vnuma_topology_info_t>(1));
    if (request.pad != 0)
        return Err{Error::invalid};
    static_cast<void>(TRY(subject(call, request.domid)));
    return Err{Error::not_supported};
}

/// XENMEM_exchange: the guest's frames for others that lie better (contiguous, below an address).
Answer exchange(Call& call) {
    auto request = TRY(call.read<xen_memory_exchange_t>(1));
    auto const& in = request.in;
    auto const& out = request.out;
    if (in.extent_order > domain::kLargestExtentOrder || out.extent_order > domain::kLargestExtentOrder)
        return Err{Error::not_permitted};
    if (in.domid != out.domid || request.nr_exchanged > in.nr_extents ||
        in.nr_extents >> (64 - domain::kLargestExtentOrder) != 0 ||
        out.nr_extents >> (64 - domain::kLargestExtentOrder) != 0 ||
        in.nr_extents << in.extent_order != out.nr_extents << out.extent_order)
        return Err{Error::invalid};
    Domain& target = *TRY(subject(call, in.domid));

    // One chunk is the larger of the two extents: it is exchanged whole or not at all.
    unsigned const order = std::max(in.extent_order, out.extent_order);
    std::uint64_t const in_per_chunk = std::uint64_t{1} << (order - in.extent_order);
    std::uint64_t const out_per_chunk = std::uint64_t{1} << (order - out.extent_order);
    domain::GuestArray<xen_pfn_t> const given{call.vcpu, address_of(in.extent_start)};
    domain::GuestArray<xen_pfn_t> const taken{call.vcpu, address_of(out.extent_start)};
    if (request.nr_exchanged % in_per_chunk != 0)
        return Err{Error::invalid};

    base::Status status{};
    std::uint64_t done = request.nr_exchanged;
    for (; done < in.nr_extents; done += in_per_chunk) {
        if (done != request.nr_exchanged && domain::should_yield(call.vcpu)) {
            status = base::Status{Err{Error::preempted}};
            break;
        }
        domain::ExchangeChunk const chunk{.order = order,
                                          .in_order = in.extent_order,
                                          .out_order = out.extent_order,
                                          .address_bits = XENMEMF_get_address_bits(out.mem_flags),
                                          .in = given.at(done),
                                          .out = taken.at(done / in_per_chunk * out_per_chunk)};
        status = domain::exchange_chunk(call.vcpu, target, chunk);
        if (!status)
            break;
    }
    request.nr_exchanged = done;
    TRY(call.write(1, request));
    TRY(status);
    return 0;
}

Answer machphys_mapping(Call& call) {
    auto const m2p = domain::m2p_window(call.domain());
    xen_machphys_mapping_t const mapping{
        .v_start = m2p.first.raw(), .v_end = m2p.end.raw(), .max_mfn = m2p.highest_gfn.raw()};
    TRY(call.write(1, mapping));
    return 0;
}

/// The identity table, in pieces of 2 MiB, as DOMID_XEN's frames: a toolstack that translates with it finds translated domains'
/// numbers unchanged (SP-28). There is none for domains of 32 bits: one number that is nobody's.
Answer machphys_list(Call& call, bool compatible) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    constexpr std::uint64_t kPages = 512, kEntries = kPages * base::kPageSize / sizeof(std::uint64_t);
    auto list = TRY(call.read<xen_machphys_mfn_list_t>(1));
    auto const pieces = compatible ? 1 : (call.domain().system.frames.size() + kEntries - 1) / kEntries;
    auto const count = static_cast<unsigned>(std::min<std::uint64_t>(pieces, list.max_extents));
    domain::GuestArray<xen_pfn_t> const extents{call.vcpu, address_of(list.extent_start)};
    for (unsigned i = 0; i < count; ++i)
        TRY(extents.write(i, domain::kIdentityTableGfn.raw() + (compatible ? pieces : i) * kPages));
    list.nr_extents = count;
    TRY(call.write(1, list));
    return 0;
}

Answer machine_memory_map(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto map = TRY(call.read<xen_memory_map_t>(1));
    auto const& e820 = call.domain().system.memory_map;
    auto const count = static_cast<std::uint32_t>(e820.size());
    domain::GuestArray<domain::E820Entry> const buffer{call.vcpu, address_of(map.buffer)};
    bool const told = !buffer.null(); // or only how many there are
    if (told && map.nr_entries < count)
        return Err{Error::invalid};
    for (std::uint32_t i = 0; told && i < count; ++i)
        TRY(buffer.write(i, e820[i]));
    map.nr_entries = count;
    TRY(call.write(1, map));
    return 0;
}

/// XENMEM_set_memory_map: for the domain that @p subject names, all at once.
Answer set_memory_map(Call& call) {
    auto const request = TRY(call.read<xen_foreign_memory_map_t>(1));
    if (request.map.nr_entries > 128)
        return Err{Error::invalid};
    Domain& target = *TRY(subject(call, request.domid));
    auto const given = TRY(domain::make_scratch<base::FixedVector<domain::E820Entry, 128>>(call.domain().system));
    domain::GuestArray<domain::E820Entry> const buffer{call.vcpu, address_of(request.map.buffer)};
    for (std::uint32_t i = 0; i < request.map.nr_entries; ++i)
        ASSERT(given->push_back(TRY(buffer.read(i))));
    target.memory_map.with([&](auto& map) { map = *given; });
    return 0;
}

/// XENMEM_memory_map: what the caller's builder has said.
Answer memory_map(Call& call) {
    auto request = TRY(call.read<xen_memory_map_t>(1));
    auto const known = TRY(domain::make_scratch<base::FixedVector<domain::E820Entry, 128>>(call.domain().system));
    call.domain().memory_map.with([&](auto& map) { *known = map; });
    if (known->empty())
        return Err{Error::not_implemented};
    domain::GuestArray<domain::E820Entry> const buffer{call.vcpu, address_of(request.buffer)};
    request.nr_entries = std::min<std::uint32_t>(request.nr_entries, static_cast<std::uint32_t>(known->size()));
    for (std::uint32_t i = 0; i < request.nr_entries; ++i)
        TRY(buffer.write(i, (*known)[i]));
    TRY(call.write(1, request));
    return 0;
}

/// XENMEM_claim_pages: a builder makes sure that its domain's memory will be there while it is being filled.
Answer claim_pages(Call& call) {
    auto const request = TRY(call.read<xen_memory_reservation_t>(1));
    auto& system = call.domain().system;
    if (address_of(request.extent_start).raw() != 0 || request.extent_order != 0 || request.mem_flags != 0 ||
        system.find(base::DomId{request.domid}) == nullptr)
        return Err{Error::invalid};
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    TRY(system.allocator.claim(base::DomId{request.domid}, request.nr_extents));
    return 0;
}

/// Frame @p index of the shared table, or of the statuses, of @p target's grants, which grow to have it.
base::Result<Gfn> grant_frame(Domain& target, std::uint32_t id, std::uint32_t index) {
    bool const shared = id == XENMEM_resource_grant_table_id_shared;
    auto const frame = TRY(target.grants.with([&](grants::Grants& both) -> base::Result<Mfn> {
        if (!shared && both.table.version() != 2)
            return Err{Error::invalid};
        if (!both.table.grow_to((shared ? index : index * grants::GrantTable::kFramesPerStatusFrame) + 1))
            return Err{Error::no_memory};
        return shared ? both.table.shared_frame(index) : both.table.status_frame(index);
    }));
    return domain::number_special(target, frame, (shared ? domain::kFirstGrantGfn : domain::kFirstStatusGfn) + index);
}

/// XENMEM_acquire_resource: by what numbers the toolstack maps the frames of a domain's grants. Without a list: how many
/// there can be.
Answer acquire_resource(Call& call) {
    auto request = TRY(call.read<xen_mem_acquire_resource_t>(1));
    if (request.pad != 0)
        return Err{Error::invalid};
    Domain& target = *TRY(subject(call, request.domid));
    if (request.type != XENMEM_resource_grant_table)
        return Err{Error::not_supported};
    if (request.id != XENMEM_resource_grant_table_id_shared && request.id != XENMEM_resource_grant_table_id_status)
        return Err{Error::invalid};
    bool const shared = request.id == XENMEM_resource_grant_table_id_shared;
    std::uint64_t const most = target.grants.with(
        [&](grants::Grants& both) { return shared ? both.table.max_frames() : both.table.max_status_frames(); });
    if (address_of(request.frame_list).raw() == 0) {
        if (request.nr_frames != 0)
            return Err{Error::invalid};
        request.nr_frames = static_cast<std::uint32_t>(most);
        TRY(call.write(1, request));
        return 0;
    }
    if (request.frame >= most || request.nr_frames == 0 || request.nr_frames > most - request.frame)
        return Err{Error::invalid};
    domain::GuestArray<xen_pfn_t> const list{call.vcpu, address_of(request.frame_list)};
    for (std::uint32_t i = 0; i < request.nr_frames; ++i) {
        auto const index = static_cast<std::uint32_t>(request.frame) + i;
        TRY(list.write(i, TRY(grant_frame(target, request.id, index)).raw()));
    }
    return 0;
}

/// A number that a call takes a domid for.
template <typename Read> Answer number_of(Call& call, Read&& read) {
    auto const id = TRY(call.read<domid_t>(1));
    Domain& target = *TRY(subject(call, id));
    return read(target);
}

/// The highest frame number that a domain's own list of its frames has: for one of direct frames only it knows.
Answer maximum_gpfn(Domain& target) {
    auto const frames = target.translated() ? target.gfns.limit().raw() : target.shared.arch.max_pfn;
    return static_cast<std::int64_t>(frames == 0 ? 0 : frames - 1); // of none, too, as on Xen: a restore asks so
}

} // namespace

namespace {

/// What may go on where it stopped: its command says where.
Answer continuable_op(Call& call) {
    switch (call.args[0] & kCommandMask) {
    case XENMEM_increase_reservation: return increase_reservation(call);
    case XENMEM_decrease_reservation: return decrease_reservation(call);
    case XENMEM_populate_physmap: return populate_physmap(call);
    case XENMEM_add_to_physmap:
        return change_physmap<xen_add_to_physmap_t>(call, XENMAPSPACE_gmfn_foreign, Error::not_implemented);
    case XENMEM_add_to_physmap_batch:
        return change_physmap<xen_add_to_physmap_batch_t>(call, XENMAPSPACE_gmfn_range, Error::not_supported);
    // What is done at once goes on nowhere.
    case XENMEM_exchange:
    case XENMEM_maximum_ram_page:
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
    case XENMEM_remove_from_physmap:
    case XENMEM_claim_pages:
    case XENMEM_get_vnumainfo:
    case XENMEM_reserved_device_memory_map: return Err{Error::invalid};
    default: return Err{Error::not_implemented};
    }
}

} // namespace

Answer memory_op(Call& call) {
    switch (call.args[0]) {
    case XENMEM_remove_from_physmap: return change_physmap<xen_remove_from_physmap_t>(call, 0, Error::access_denied);
    case XENMEM_reserved_device_memory_map: return reserved_device_memory(call);
    case XENMEM_exchange: return exchange(call);
    case XENMEM_claim_pages: return claim_pages(call);
    case XENMEM_acquire_resource: return acquire_resource(call);
    case XENMEM_maximum_ram_page: // one past it, in spite of the name
        return static_cast<std::int64_t>(domain::m2p_window(call.domain()).highest_gfn.raw() + 1);
    case XENMEM_maximum_gpfn: return number_of(call, maximum_gpfn);
    case XENMEM_current_reservation:
        return number_of(call, [](Domain& target) { return Answer{domain::quota(target).total()}; });
    case XENMEM_maximum_reservation:
        return number_of(call, [](Domain& target) { return Answer{domain::quota(target).limit()}; });
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages: return 0; // no two domains share one
    case XENMEM_get_vnumainfo: return vnuma_info(call);
    case XENMEM_machphys_mfn_list: return machphys_list(call, false);
    case XENMEM_machphys_compat_mfn_list: return machphys_list(call, true);
    case XENMEM_machphys_mapping: return machphys_mapping(call);
    case XENMEM_machine_memory_map: return machine_memory_map(call);
    case XENMEM_memory_map: return memory_map(call);
    case XENMEM_set_memory_map: return set_memory_map(call);
    default: return continuable_op(call);
    }
}

} // namespace hypercall
