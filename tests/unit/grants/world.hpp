/// Two or more domains with memory and grant tables, and a caller with page-table entries that are only a map: what the
/// grants room needs of the rest of the hypervisor.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "grants/operations.hpp"
#include "mm/gfn_map.hpp"
#include "unit/mm/memory.hpp"

namespace grants_test {

/// A domain's frames, by its gfn map and the use words.
class Frames {
  public:
    Frames(mm::FrameTable& table, mm::GfnMap& map) : table_{table}, map_{map} {}

    base::Result<base::Mfn> take(base::Gfn gfn) {
        auto frame = TRY(map_.get(gfn));
        if (frame.info().special())
            return base::Err{base::Error::invalid};
        return frame.release();
    }
    void drop(base::Mfn frame) { table_.drop_reference(frame); }
    base::Status make_writable(base::Mfn frame) { return table_.info(frame).state.get_writable(); }
    void drop_writable(base::Mfn frame) { table_.info(frame).state.put_writable(); }

  private:
    mm::FrameTable& table_;
    mm::GfnMap& map_;
};
static_assert(grants::GranterFrames<Frames>);

struct DomainState {
    DomainState(mm_test::Memory& the_memory, base::DomId the_id, grants::Grants::Limits limits)
        : memory{the_memory},
          id{the_id},
          map{memory.allocator, id, mm::Translation::translated},
          frames{memory.table, map},
          grants{memory.allocator, id, limits} {}
    ~DomainState() {
        give_up_all();
        EXPECT_TRUE(map.destroy(~0u).ok());
    }

    /// A new page of RAM at @p gfn.
    base::Mfn populate(base::Gfn gfn) {
        auto frame = memory.allocator.allocate_frame(mm::Request::ram(id)).value();
        auto const mfn = frame.mfn();
        EXPECT_TRUE(map.set(gfn, std::move(frame)).ok());
        return mfn;
    }
    void give_up_all() {
        base::Gfn cursor{0};
        EXPECT_TRUE(map.clear_all(cursor, ~0u, [](base::Gfn, mm::FrameRef) {}).ok());
    }
    template <typename Visit> decltype(auto) table(Visit&& visit) {
        return grants.with([&](grants::Grants& both) -> decltype(auto) { return visit(both.table); });
    }
    template <typename Visit> decltype(auto) track(Visit&& visit) {
        return grants.with([&](grants::Grants& both) -> decltype(auto) { return visit(both.track); });
    }

    /// What the guest reads and writes: its own entry of the shared table.
    grant_entry_v1& entry(std::uint32_t ref) {
        auto const frame = table([&](grants::GrantTable& its) { return its.shared_frame(ref / 512); });
        return arch::frame_as<grant_entry_v1>(frame)[ref % 512];
    }
    void grant(std::uint32_t ref, base::DomId to, base::Gfn gfn, unsigned flags = 0) {
        entry(ref) = {.flags = static_cast<std::uint16_t>(GTF_permit_access | flags),
                      .domid = to.raw(),
                      .frame = static_cast<std::uint32_t>(gfn.raw())};
    }
    bool marked_reading(std::uint32_t ref) { return (entry(ref).flags & GTF_reading) != 0; }
    bool marked_writing(std::uint32_t ref) { return (entry(ref).flags & GTF_writing) != 0; }

    mm_test::Memory& memory;
    base::DomId id;
    mm::GfnMap map;
    Frames frames;
    grants::LockedGrants grants;
};

/// A reference to a domain, as the operations want it: it moves only.
class DomainRef {
  public:
    explicit DomainRef(DomainState& state) : state_{&state} {}
    DomainRef(DomainRef&& other) noexcept : state_{std::exchange(other.state_, nullptr)} {}
    DomainRef& operator=(DomainRef&&) = delete;

    base::DomId id() { return state_->id; }
    grants::LockedGrants& grants() { return state_->grants; }
    Frames& frames() { return state_->frames; }

  private:
    DomainState* state_;
};

/// The hypervisor, seen by one calling domain.
struct Environment {
    using Domain = DomainRef;

    struct Entry {
        base::Mfn frame;
        grants::MapFlags flags;
    };

    Environment(std::map<base::DomId, std::unique_ptr<DomainState>>& all, base::DomId caller)
        : domains{all}, self_ref{*all.at(caller)} {}

    Domain& self() { return self_ref; }
    grants::Result<Domain> find(base::DomId id) {
        if (id.raw() == DOMID_SELF)
            id = self_ref.id();
        auto const found = domains.find(id);
        if (found == domains.end())
            return base::Err{grants::Fault::bad_domain};
        return Domain{*found->second};
    }
    grants::Result<base::Gfn> number_of(grants::Mapping const& mapping) {
        if (unnumbered == mapping.granter)
            return base::Err{grants::Fault::general_error};
        return base::Gfn{mapping.pin.frame.raw()};
    }
    grants::Status install(grants::Mapping const& mapping) {
        if (refuse_install)
            return base::Err{*refuse_install};
        entries[mapping.host_address] = {mapping.pin.frame, mapping.flags};
        return {};
    }
    grants::Status remove(grants::Mapping const& mapping) {
        auto const found = entries.find(mapping.host_address);
        if (found == entries.end() || found->second.frame != mapping.pin.frame)
            return base::Err{grants::Fault::general_error};
        entries.erase(found);
        ++owed_flushes;
        return {};
    }
    grants::Status replace(grants::Mapping const& mapping, base::Vaddr donor) {
        auto const moved = entries.find(donor.raw());
        if (moved == entries.end())
            return base::Err{grants::Fault::general_error};
        TRY(remove(mapping));
        entries[mapping.host_address] = moved->second;
        entries.erase(donor.raw());
        return {};
    }
    void flush() {
        owed_flushes = 0;
        ++flushes;
        if (on_flush)
            on_flush();
    }
    void mark_dirty(Domain& domain, base::Mfn frame) { dirty.emplace_back(domain.id(), frame); }

    std::map<base::DomId, std::unique_ptr<DomainState>>& domains;
    Domain self_ref;
    std::map<std::uint64_t, Entry> entries; ///< by host_addr
    std::vector<std::pair<base::DomId, base::Mfn>> dirty;
    int owed_flushes = 0;
    int flushes = 0;
    std::optional<grants::Fault> refuse_install;
    std::optional<base::DomId> unnumbered; ///< whose frames the caller has no numbers for
    std::function<void()> on_flush;
};
static_assert(grants::GrantEnvironment<Environment>);

inline gnttab_map_grant_ref map_record(std::uint64_t address, std::uint32_t flags, std::uint32_t ref, domid_t granter) {
    gnttab_map_grant_ref op{};
    op.host_addr = address;
    op.flags = flags;
    op.ref = ref;
    op.dom = granter;
    op.status = 77; // to be overwritten
    return op;
}

inline gnttab_unmap_grant_ref unmap_record(std::uint64_t address, std::uint64_t bus_address, std::uint32_t handle) {
    gnttab_unmap_grant_ref op{};
    op.host_addr = address;
    op.dev_bus_addr = bus_address;
    op.handle = handle;
    op.status = 77;
    return op;
}

inline constexpr base::DomId kAlice{1}; ///< grants
inline constexpr base::DomId kBob{2};   ///< maps
inline constexpr base::DomId kCarol{3}; ///< is a stranger

struct World {
    explicit World(grants::Grants::Limits limits = {.table = {.frames = 4}, .map_track_frames = 2}) {
        for (auto const id : {kAlice, kBob, kCarol}) {
            domains[id] = std::make_unique<DomainState>(memory, id, limits);
            EXPECT_TRUE(domains[id]->table([](grants::GrantTable& table) { return table.grow_to(1); }).ok());
        }
    }

    DomainState& alice() { return *domains.at(kAlice); }
    DomainState& bob() { return *domains.at(kBob); }
    DomainState& carol() { return *domains.at(kCarol); }

    mm_test::Memory memory{2048};
    std::map<base::DomId, std::unique_ptr<DomainState>> domains;
};

} // namespace grants_test
