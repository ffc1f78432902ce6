// grant_table_op (docs/abi.md §6): the grants room's operations, with the caller's page tables under them.

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "abi/xen.hpp"
#include "domain/preemption.hpp"
#include "domain/special_gfns.hpp"
#include "domain/teardown.hpp"
#include "domain/translation.hpp"
#include "grants/copy.hpp"
#include "grants/operations.hpp"
#include "hypercall/domain_life.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::DomId;
using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;
using base::Vaddr;
using domain::Domain;

/// A domain's own frames, as its grants name them.
class OwnFrames {
  public:
    explicit OwnFrames(Domain& domain) : domain_{domain} {}

    base::Result<Mfn> take(Gfn gfn) {
        auto frame = TRY(domain_.gfns.get(gfn));
        if (frame.info().special()) // shared_info, grant frames: never granted (SP-25)
            return Err{Error::invalid};
        return frame.release();
    }
    void drop(Mfn frame) { domain_.system.frames.drop_reference(frame); }
    base::Status make_writable(Mfn frame) { return domain_.host.frame(frame).get_writable(); }
    void drop_writable(Mfn frame) { domain_.host.frame(frame).put_writable(); }

  private:
    Domain& domain_;
};

class Party {
  public:
    explicit Party(Domain& domain) : domain_{&domain} {}

    [[nodiscard]] DomId id() const { return domain_->id; }
    [[nodiscard]] grants::LockedGrants& grants() { return domain_->grants; }
    [[nodiscard]] OwnFrames frames() { return OwnFrames{*domain_}; }
    [[nodiscard]] Domain& domain() { return *domain_; }

  private:
    Domain* domain_;
};

/// The caller and its page tables (grants::GrantEnvironment).
class Environment {
  public:
    using Domain = Party;

    explicit Environment(Call& call) : Environment{call, call.domain()} {}
    Environment(Call& call, domain::Domain& self) : call_{call}, self_{self} {}

    Party& self() { return self_; }

    grants::Result<Party> find(DomId id) {
        if (id.raw() == DOMID_SELF)
            return self_;
        domain::Domain* const found = call_.domain().system.find_even_dying(id); // its frames are to be given back, too
        if (found == nullptr)
            return Err{grants::Fault::bad_domain};
        return Party{*found};
    }

    /// A direct domain knows the machine's numbers. A translated one knows its own, and has none for another domain's
    /// frames: it cannot map them (SP-14).
    grants::Result<Gfn> number_of(grants::Mapping const& mapping) {
        auto& domain = call_.domain();
        if (!domain.translated())
            return Gfn{mapping.pin.frame.raw()};
        auto const own = mapping.granter == domain.id ? domain.system.frames.gfn_of(mapping.pin.frame) : Gfn{};
        if (!own.valid())
            return Err{grants::Fault::general_error};
        return own;
    }

    grants::Status install(grants::Mapping const& mapping) {
        auto& domain = call_.domain();
        Mfn const frame = mapping.pin.frame;
        auto const number = TRY(number_of(mapping));
        if (!domain.system.frames.take_reference(frame))
            return Err{grants::Fault::general_error};
        shadow_pt::Target const target{.frame = frame, .kind = shadow_pt::TargetKind::foreign, .shown = number};
        std::uint64_t flags = shadow_pt::pte::kPresent | shadow_pt::pte::kUser | shadow_pt::pte::kAccessed |
                              shadow_pt::pte::kDirty | mapping.flags.available_bits() << 9;
        if (mapping.pin.access == grants::Access::write)
            flags |= shadow_pt::pte::kWrite;
        auto const made = insist([&] { return domain.paging.map_grant(place(mapping), target, flags, call_.debt); });
        if (made)
            return {};
        domain.system.frames.drop_reference(frame);
        return Err{grants::Fault::general_error}; // Xen tells no more
    }

    grants::Status remove(grants::Mapping const& mapping) {
        if (insist([&] { return call_.domain().paging.unmap_grant(place(mapping), mapping.pin.frame, call_.debt); }))
            return {};
        return Err{grants::Fault::general_error};
    }

    grants::Status replace(grants::Mapping const& mapping, Vaddr donor) {
        if (mapping.flags.names_entry()) // as in Xen
            return Err{grants::Fault::general_error};
        auto const& root = call_.vcpu.kernel_root.tables;
        if (insist([&] {
                return call_.domain().paging.replace_grant(place(mapping), mapping.pin.frame, root, donor, call_.debt);
            }))
            return {};
        return Err{grants::Fault::general_error};
    }

    void flush() { domain::pay(call_.domain(), call_.debt); }
    void mark_dirty(Party& party, Mfn frame) { party.domain().host.mark_dirty(frame); }

  private:
    /// A record is not begun again once its grant is pinned: what shadow paging waits for, pages that other CPUs are just giving
    /// up or building with, is waited for here, within reason.
    template <typename Operation> base::Status insist(Operation&& operation) {
        constexpr unsigned kMost = 1000;
        auto status = operation();
        for (unsigned tries = 0; !status && status.error() == Error::preempted && tries < kMost; ++tries) {
            static_cast<void>(call_.domain().paging.settle());
            status = operation();
        }
        return status;
    }
    shadow_pt::EntryPlace place(grants::Mapping const& mapping) {
        if (mapping.flags.names_entry())
            return shadow_pt::EntryPlace::in_table(base::Gaddr{mapping.host_address});
        return shadow_pt::EntryPlace::at_address(call_.vcpu.kernel_root.tables, Vaddr{mapping.host_address});
    }

    Call& call_;
    Party self_;
};

/// Runs @p step on each record from where the last try stopped, copying it in and back. Between records the call may
/// be continued (args: command, records, count).
template <typename Record, typename Step> Answer for_each_record(Call& call, Step&& step) {
    bool first = true;
    while (call.u32(2) != 0) {
        if (!first && domain::should_yield(call.vcpu))
            return Err{Error::preempted};
        first = false;
        auto record = TRY(call.read<Record>(1));
        step(record);
        TRY(call.write(1, record));
        call.args[1] += sizeof(Record);
        call.args[2] = call.u32(2) - 1;
    }
    return 0;
}

/// @p step(records): grants::unmap or unmap_and_replace.
template <typename Record, typename Step> Answer unmap(Call& call, Step&& step) {
    bool first = true;
    while (call.u32(2) != 0) {
        if (!first && domain::should_yield(call.vcpu))
            return Err{Error::preempted};
        first = false;
        std::array<Record, grants::kUnmapBatch> records;
        auto const batch = std::span{records}.first(std::min<std::size_t>(call.u32(2), records.size()));
        auto const array = call.array<Record>(1);
        for (std::size_t i = 0; i < batch.size(); ++i)
            batch[i] = TRY(array.read(i));
        step(batch);
        domain::bury_the_dead(call.domain().system);
        for (std::size_t i = 0; i < batch.size(); ++i)
            TRY(array.write(i, batch[i]));
        call.args[1] = array.at(batch.size()).raw();
        call.args[2] = call.u32(2) - batch.size();
    }
    return 0;
}

/// The domain of a record that names one: the caller's, or any for a privileged caller.
grants::Result<Party> party_of(Call& call, Environment& environment, domid_t id) {
    auto party = TRY(environment.find(DomId{id}));
    if (&party.domain() != &call.domain() && !call.domain().privileged)
        return Err{grants::Fault::permission_denied};
    return party;
}

/// Tells by which numbers a table's frames are to be mapped, from @p first on in a translated domain.
/// @p collect(table, how many, into): which frames they are.
template <typename Record, typename Collect>
Answer tell_frames(Call& call, Environment& environment, Gfn first, Collect&& collect) {
    if (call.u32(2) != 1)
        return Err{Error::invalid};
    auto record = TRY(call.read<Record>(1));
    auto party = party_of(call, environment, record.dom);
    record.status = grants::to_abi(party);
    if (party.ok()) {
        std::array<Mfn, grants::GrantTable::kMaxFrames> frames{};
        auto const collected = party.value().grants().with(
            [&](grants::Grants& both) { return collect(both.table, record.nr_frames, std::span{frames}); });
        record.status = grants::to_abi(collected);
        domain::GuestArray<xen_pfn_t> const list{call.vcpu, address_of(record.frame_list)};
        for (std::uint32_t i = 0; collected.ok() && i < record.nr_frames; ++i)
            TRY(list.write(i, TRY(domain::number_special(party.value().domain(), frames[i], first + i)).raw()));
    }
    TRY(call.write(1, record));
    return 0;
}

/// Grows the table to have them.
Answer setup_table(Call& call, Environment& environment) {
    return tell_frames<gnttab_setup_table_t>(
        call, environment, domain::kFirstGrantGfn,
        [](grants::GrantTable& table, std::uint32_t count, std::span<Mfn> into) -> grants::Status {
            TRY(table.grow_to(count));
            for (std::uint32_t i = 0; i < count; ++i)
                into[i] = table.shared_frame(i);
            return {};
        });
}

/// Of those of a table of version 2 there are as many as there are.
Answer get_status_frames(Call& call, Environment& environment) {
    return tell_frames<gnttab_get_status_frames_t>(
        call, environment, domain::kFirstStatusGfn,
        [](grants::GrantTable& table, std::uint32_t count, std::span<Mfn> into) -> grants::Status {
            if (count > table.status_frames())
                return Err{grants::Fault::general_error};
            for (std::uint32_t i = 0; i < count; ++i)
                into[i] = table.status_frame(i);
            return {};
        });
}

Answer swap(Call& call, Environment& environment) {
    return for_each_record<gnttab_swap_grant_ref_t>(call, [&](auto& record) {
        record.status = grants::to_abi(environment.self().grants().with([&](grants::Grants& both) {
            return both.table.swap(base::GrantRef{record.ref_a}, base::GrantRef{record.ref_b});
        }));
    });
}

Answer set_version(Call& call, Environment& environment) {
    auto record = TRY(call.read<gnttab_set_version_t>(1));
    auto& self = environment.self();
    auto& frames = call.domain().system.frames;
    auto const changed = self.grants().with([&](grants::Grants& both) {
        auto const status = both.table.set_version(record.version, [&](Mfn frame) {
            auto const& info = frames.info(frame);
            return info.references.load() > (info.has(mm::frame_in_gfn_map) ? 2U : 1U);
        });
        record.version = both.table.version(); // the one in force, whatever was asked for
        return status;
    });
    TRY(call.write(1, record));
    TRY(changed);
    return 0;
}

Answer get_version(Call& call, Environment& environment) {
    auto record = TRY(call.read<gnttab_get_version_t>(1));
    auto party = party_of(call, environment, record.dom);
    if (!party)
        return Err{party.error() == grants::Fault::bad_domain ? Error::no_such_domain : Error::not_permitted};
    record.version = party.value().grants().with([](grants::Grants& both) { return both.table.version(); });
    TRY(call.write(1, record));
    return 0;
}

/// x86's caches need no flush for devices, so beyond its arguments there is nothing that could be done.
base::Status cache_flush(gnttab_cache_flush_t const& request) {
    if (request.offset >= base::kPageSize || request.length > base::kPageSize - request.offset ||
        (request.op & ~std::uint32_t{GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL}) != 0)
        return Err{Error::invalid};
    if (request.length == 0 || request.op == 0)
        return {};
    return Err{Error::not_supported};
}

Answer flush_caches(Call& call) {
    auto const requests = call.array<gnttab_cache_flush_t>(1);
    for (std::uint32_t i = 0; i < call.u32(2); ++i) {
        if (i != 0 && domain::should_yield(call.vcpu)) {
            call.args[1] = requests.at(i).raw();
            call.args[2] -= i;
            return Err{Error::preempted};
        }
        TRY(cache_flush(TRY(requests.read(i))));
    }
    return 0;
}

} // namespace

base::Status release_grants(Call& call, Domain& dying) {
    Environment environment{call, dying};
    constexpr std::uint32_t kBudget = 256;
    return grants::release_mappings(environment, dying.teardown.mappings, kBudget);
}

Answer grant_table_op(Call& call) {
    // The command's upper bits are what a continued cache flush of Xen's remembers: no other has any.
    constexpr std::uint32_t kCommandMask = 0xfff;
    if (static_cast<std::int32_t>(call.u32(2)) < 0 ||
        ((call.u32(0) & kCommandMask) != GNTTABOP_cache_flush && call.u32(0) > kCommandMask))
        return Err{Error::invalid};
    Environment environment{call};
    switch (call.u32(0) & kCommandMask) {
    case GNTTABOP_map_grant_ref:
        return for_each_record<gnttab_map_grant_ref_t>(call, [&](auto& record) { grants::map(environment, record); });
    case GNTTABOP_unmap_grant_ref:
        return unmap<gnttab_unmap_grant_ref_t>(call, [&](auto records) { grants::unmap(environment, records); });
    case GNTTABOP_unmap_and_replace:
        return unmap<gnttab_unmap_and_replace_t>(
            call, [&](auto records) { grants::unmap_and_replace(environment, records); });
    case GNTTABOP_setup_table: return setup_table(call, environment);
    case GNTTABOP_copy:
        return for_each_record<gnttab_copy_t>(call, [&](auto& record) { grants::copy(environment, record); });
    case GNTTABOP_query_size:
        if (call.u32(2) != 1)
            return Err{Error::invalid};
        return for_each_record<gnttab_query_size_t>(call, [&](auto& record) {
            auto const party = party_of(call, environment, record.dom);
            record.status = grants::to_abi(party);
            if (party.ok())
                grants::query_size(environment, record);
        });
    case GNTTABOP_set_version: return set_version(call, environment);
    case GNTTABOP_get_version: return get_version(call, environment);
    case GNTTABOP_get_status_frames: return get_status_frames(call, environment);
    case GNTTABOP_swap_grant_ref: return swap(call, environment);
    case GNTTABOP_cache_flush: return flush_caches(call);
    case GNTTABOP_transfer: return Err{Error::not_supported}; // as Xen with gnttab=no-transfer
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
