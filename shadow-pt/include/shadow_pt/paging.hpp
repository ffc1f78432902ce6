/// Shadow paging of one domain: the guest's tables are data, the shadows are what the MMU uses (docs/shadow-paging.md).
///
/// The model
///
///   Each frame that a guest uses as a page table has one *shadow*, of the same level. Its entries name machine frames,
///   and carry what the guest's entries allow. Both change in one go: the PV hypercalls and the emulated stores are the
///   only ways to write a frame that is a table, because nobody may map such a frame writable (SP-1).
///
///        guest's tables                    shadows (templates)             root pages of a CPU
///        L4 ──gfn──▶ L3 ─▶ L2 ─▶ L1         S4 ──mfn──▶ S3 ─▶ S2 ─▶ S1      copies of S4, with the
///         ▲           ▲                     ▲           ▲                   hypervisor's own slots
///         └── link ───┼─────────────────────┘           │
///                     └─────────── link ────────────────┘
///
///   What a shadow entry holds, it holds by references, so that nothing is ever searched for (SP-2):
///
///        leaf    one reference to its frame, and one `writable` use if the guest may write there
///        upper   one use of the child as a table of its level
///
///   and a table in use holds one reference to its own frame. A pool has as many pages as it has: then tables are without
///   a shadow (*bare*), hold the same by their words (bare.hpp), and get one when a fault asks for it (evict.hpp, SP-10).
///
/// The life of a leaf entry (SP-15, SP-16, SP-17); "A" and "D" are the guest's bits
///
///             guest makes it present                          first write
///     empty ──────────────────────────▶ read-only, A ──────────────────────▶ writable, A, D
///       ▲                                  │    ▲    guest clears D            │
///       │ guest clears P                   │    └──────────────────────────────┤
///       │                    guest clears A│    ▲ first access                 │ guest clears A
///       └── from every state               ▼    │                              ▼
///                                        hidden (P = 0, the frame kept) ◀──────┘
///
/// The life of a table
///
///     a use wanted ─▶ claimed ─▶ building (preemptible) ─▶ ready ─▶ last use gone: its shadow becomes a *remains*
///                                                          │  ▲
///                                                  evicted ▼  │ a fault
///                                                          bare
///
///   Remains are shadows whose table has left them: nothing leads to them but what CPUs have cached. What they hold is
///   given back piece by piece by drain(), and each operation that makes remains ends only when there are none (SP-9).
///
/// Using it
///
///   Any CPU may call any operation at any time. An operation that answers Error::preempted has left everything
///   consistent: call it again with the same arguments until it answers something else. `debt` collects flushes.
///   Addresses are those of guest tables; a Root is what acquire_root() gave.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <optional>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "shadow_pt/counters.hpp"
#include "shadow_pt/flush_debt.hpp"
#include "shadow_pt/frame_state.hpp"
#include "shadow_pt/guest_entry.hpp"
#include "shadow_pt/harvest_starts.hpp"
#include "shadow_pt/host.hpp"
#include "shadow_pt/remains.hpp"
#include "shadow_pt/shadow_entry.hpp"
#include "shadow_pt/shadow_page.hpp"

namespace shadow_pt {

/// A root that somebody uses: a guest's L4, and the template that root pages are copied from (SP-13). Stays valid until
/// release_root().
struct Root {
    base::Mfn table;  ///< the guest's L4
    base::Mfn shadow; ///< its shadow
    [[nodiscard]] bool valid() const { return table.valid(); }
};

/// How mmu_update changes an entry.
enum class UpdateMode : std::uint8_t {
    normal,      ///< MMU_NORMAL_PT_UPDATE, and MMU_PT_UPDATE_NO_TRANSLATE
    preserve_ad, ///< MMU_PT_UPDATE_PRESERVE_AD: A and D of the present entry stay set
};

/// One request of mmu_update: the guest's word at `where` becomes `value`.
struct EntryUpdate {
    base::Gaddr where;
    std::uint64_t value = 0;
    UpdateMode mode = UpdateMode::normal;

    [[nodiscard]] bool aligned() const { return where.offset() % sizeof value == 0; }
    [[nodiscard]] unsigned index() const { return static_cast<unsigned>(where.offset() / sizeof value); }
};

/// How a domain's writes are found while it is tracked.
enum class Tracker : std::uint8_t {
    harvest,       ///< by the D bits that processors set
    write_protect, ///< by a fault at the first write to each page: as others do it, to compare with
};
/// Whether tables get their shadows as they are made, or only when a fault asks for them: then what an L1 names is looked at, and held,
/// only then as well (SP-23).
enum class Shadows : bool { later, now };

/// What an access wants. Guests run in one ring, so that user or not makes no difference to the tables.
struct Access {
    bool write = false;
    bool execute = false;
};

/// What is to be done about a page fault.
enum class FaultAction : std::uint8_t {
    retry,   ///< the cause is gone: resume the guest
    reflect, ///< the guest's own fault: give it, with FaultAnswer::error_code
    stuck,   ///< no memory for a shadow that the guest cannot run without: the domain cannot go on
    emulate, ///< a store to an L1 table: decode it and call emulate_store(); what cannot be decoded is reflected
};
struct FaultAnswer {
    FaultAction action = FaultAction::retry;
    std::uint32_t error_code = 0; ///< for reflect, and if an emulation fails; rebuilt from the guest's entries (SP-17)
};

/// A guest's page, held for the hypervisor to read or write through the direct map. Give back by Paging::done().
struct [[nodiscard]] Resolved {
    base::Mfn frame;
    std::uint64_t offset = 0;
    TargetKind kind = TargetKind::own;
    bool write = false;
};

/// Where a grant is mapped: at an address of a root, or in an entry of an L1 of the domain (GNTMAP_contains_pte).
struct EntryPlace {
    Root const* root = nullptr; ///< with `address`
    base::Vaddr address;
    base::Gaddr entry; ///< of the L1 entry, if `root` is null

    static EntryPlace at_address(Root const& root, base::Vaddr address) {
        return {.root = &root, .address = address, .entry = {}};
    }
    static EntryPlace in_table(base::Gaddr entry) { return {.root = nullptr, .address = {}, .entry = entry}; }
};

/// The entries that lead to an address, from L4 down to the last one present: for dumps. No side effects.
struct Walk {
    struct Step {
        base::Mfn table; ///< the guest's; invalid if not known
        base::Mfn shadow;
        std::uint64_t guest_entry = 0;
        std::uint64_t shadow_entry = 0;
    };
    unsigned steps = 0;
    Step step[4]{};
};

template <Host H> class Paging {
  public:
    using Source = typename H::Source;

    explicit Paging(H& host) : host_{host} {}
    Paging(Paging const&) = delete;
    Paging& operator=(Paging const&) = delete;

    // --- tables: MMUEXT_PIN_L1..L4, UNPIN, NEW_BASEPTR, NEW_USER_BASEPTR (pin.hpp) ---------------------------------------

    /// Makes @p gfn a table of @p level that stays one. `invalid`: not the domain's RAM, another use, pinned already, or
    /// an entry below it is refused. With Shadows::later: an entry above L1; one in an L1 that must not be is found not present.
    [[nodiscard]] base::Status pin(unsigned level, base::Gfn gfn, Shadows shadows = Shadows::now);
    /// `invalid` if it is not pinned. When it answers ok, all that only the pin kept is no table any more (SP-9).
    [[nodiscard]] base::Status unpin(base::Gfn gfn);

    /// One use of the L4 @p gfn as a root. `no_memory`: no shadow to run on.
    [[nodiscard]] base::Result<Root> acquire_root(base::Gfn gfn);
    /// Gives it back. REQUIRES: no CPU's root page is a copy of it any more.
    [[nodiscard]] base::Status release_root(Root const& root);

    // --- entries: mmu_update, update_va_mapping, stores (update.hpp) -----------------------------------------------------

    /// Writes the guest's word at @p where: an entry of whatever table it lies in, or plain memory if it is in none.
    /// @p source: whose frames the value names.
    [[nodiscard]] base::Status update_entry(base::Gaddr where, std::uint64_t value, UpdateMode mode,
                                            Source source = {});
    /// The same for @p count requests, a few, of which at(i) is the i-th, in their order, until one fails: @p done is how many have
    /// not. Those of one L1 that follow each other are done under its lock in one go. `preempted`: go on with the rest later.
    template <std::invocable<std::uint32_t> At>
    [[nodiscard]] base::Status update_entries(std::uint32_t count, At const& at, Source source, std::uint32_t& done);

    /// Writes the L1 entry for @p address. An entry that loses rights owes a local INVLPG at least.
    [[nodiscard]] base::Status update_va(Root const& root, base::Vaddr address, std::uint64_t value, FlushDebt& debt,
                                         Source source = {});

    /// Does a guest's store to the L1 entry that @p address lies in, after handle_fault() said so: @p modify(old) is the
    /// new value of the aligned 8 bytes, called under the table's lock, at most once. An error: nothing has changed.
    /// `preempted`: the guest shall execute its instruction again; any other: reflect the fault.
    template <std::invocable<std::uint64_t> Modify>
    [[nodiscard]] base::Status emulate_store(Root const& root, base::Vaddr address, Modify&& modify);

    // --- faults and the hypervisor's own accesses (fault.hpp) ------------------------------------------------------------

    /// A page fault of the guest. @p error_code is the CPU's, but for the U bit, which the caller decides.
    [[nodiscard]] FaultAnswer handle_fault(Root const& root, base::Vaddr address, std::uint32_t error_code);

    /// True if the guest's tables map nothing at @p address: a fault there is the guest's own. Takes no lock and mends nothing, so
    /// that a CPU may ask which counts as in the guest still; seen as the MMU sees tables that are changed meanwhile. False: perhaps.
    [[nodiscard]] bool maps_nothing(Root const& root, base::Vaddr address);

    /// The page at @p address, as the guest itself could access it; does the work of its faults on the way. Holds a
    /// reference, and keeps the frame from becoming a table if it is for writing. `bad_address`: the guest could not.
    [[nodiscard]] base::Result<Resolved> resolve(Root const& root, base::Vaddr address, Access access);
    /// Ends it; marks a frame resolved for writing (SP-21).
    void done(Resolved const& page);

    // --- other users of frames (frames.hpp) ------------------------------------------------------------------------------

    /// Holds @p gfn, own RAM, as @p use: `writable` (registered areas, grants, copies) or `descriptor`, which no TLB can
    /// write any more when this returns (SP-6). `invalid` if the frame has another use.
    [[nodiscard]] base::Result<base::Mfn> hold(base::Gfn gfn, Use use);
    void unhold(base::Mfn frame, Use use);

    // --- grants: an entry of their own kind (grant.hpp) -------------------------------------------------------------------

    /// Makes the entry at @p place map @p target, a frame with a reference for this entry, which the entry takes over
    /// only on success. @p flags: the guest's entry, without its frame. `bad_address`: no L1 there; `invalid`: the
    /// frame's use forbids it.
    [[nodiscard]] base::Status map_grant(EntryPlace const& place, Target target, std::uint64_t flags, FlushDebt& debt);
    /// Clears the entry at @p place. `bad_address`: it does not map @p frame as a grant. All vCPUs owe a flush.
    [[nodiscard]] base::Status unmap_grant(EntryPlace const& place, base::Mfn frame, FlushDebt& debt);
    /// The same, and the entry for @p donor moves there. `bad_address`: no such places, and nothing has changed; but for
    /// a moment the entry for @p donor was gone.
    [[nodiscard]] base::Status replace_grant(EntryPlace const& place, base::Mfn frame, Root const& root,
                                             base::Vaddr donor, FlushDebt& debt);

    // --- harvests of what was written (harvest.hpp, write_protect.hpp) -----------------------------------------------------

    [[nodiscard]] base::Status start_tracking(Tracker tracker = Tracker::harvest);
    void stop_tracking();
    [[nodiscard]] bool tracking() const { return tracking_.load(std::memory_order_acquire); }
    /// A vCPU has @p root now: the next harvest starts there, too. Nothing if nobody tracks.
    void starts_at(Root const& root) { starts_at_root(root.table); }
    void starts_at_root(base::Mfn table) { starts_at(table, 4); }
    /// This harvest and the next one visit each table that there is, as if the list of starts had been too short.
    void starts_everywhere() { everything_.store(2); }
    [[nodiscard]] base::Status harvest();

    // --- shadows come and go (evict.hpp) ---------------------------------------------------------------------------------

    /// Evicts shadows until there are no more than @p shadows. `no_memory`: those that are left must stay; `preempted`.
    [[nodiscard]] base::Status shed(std::uint64_t shadows);
    /// How many tables hold by their words (Host::named).
    [[nodiscard]] std::uint64_t bare_tables() const { return bare_.load(); }

    // --- the end, and looking in ------------------------------------------------------------------------------------------

    /// Gives back what operations that were never continued have left. Before a domain's record is taken, and at its
    /// end; `preempted` until there is nothing.
    [[nodiscard]] base::Status settle();
    /// Of a frame that leaves its domain, or of each of a dying domain's, after its roots are released: undoes a pin, and a
    /// build that nobody will finish. Then settle().
    [[nodiscard]] base::Status relinquish(base::Mfn frame);

    [[nodiscard]] Walk walk(Root const& root, base::Vaddr address);
    /// Asserts what must hold of a ready table and its shadow while no operation is under way (check.hpp).
    void check_invariants(base::Mfn table);
    [[nodiscard]] Counters const& counters() const { return counters_; }

  private:
    using Mfn = base::Mfn;
    using Gfn = base::Gfn;

    /// Whether an operation did what takes time, so that yielding cannot stop progress.
    enum class Work : bool { none, some };

    /// The shadows on the way to an address, by level less one.
    using Way = std::array<Mfn, 4>;
    /// A slot that a walk ended at: of an L1 shadow, or above it where an entry is empty.
    struct Location {
        Mfn shadow;
        unsigned level = 4;
        unsigned index = 0;
        bool writable = true; ///< as far as the entries above say
        bool executable = true;
        std::uint64_t recycled = 0; ///< when the walk began (overtaken())
        Way way{};
    };
    /// An L1 of the domain, locked, and one of its entries.
    struct LockedEntry {
        Mfn table;
        unsigned index = 0;
    };
    /// An entry on its way from one table to another, with what the shadow's holds.
    struct TakenEntry {
        GuestEntry value;
        ShadowEntry shadow;
    };
    /// A change of an entry: what the guest wants there.
    struct Change {
        GuestEntry value;
        UpdateMode mode = UpdateMode::normal;
        Source source{};
    };
    /// Why a slot that a walk met is empty.
    enum class Emptiness : std::uint8_t {
        not_present, ///< so says the guest's entry
        refused,     ///< the guest's entry is present, but could not be translated (SP-10)
        moved,       ///< the shadow has left its table, or the entry is changing: walk again
    };
    /// Whether an access may reach a device: a guest's own may, the hypervisor's on its behalf may not.
    enum class Devices : bool { no, yes };
    /// What the tables say to an access.
    enum class Verdict : std::uint8_t { allowed, not_present, forbidden, store_to_table };
    struct Judged {
        Verdict verdict;
        Location at;
        ShadowEntry leaf;
    };
    /// A slot of an L1 shadow with a leaf that allows an access; none if `leaf` is empty.
    struct Found {
        Mfn shadow;
        unsigned index = 0;
        ShadowEntry leaf{};
        std::uint64_t recycled = 0; ///< when the walk began
        bool writable = false;      ///< as far as the entries above it go
    };

    // entries.hpp: the doors to the slots of shadows (SP-5)
    void leaf_changed(ShadowEntry old, ShadowEntry fresh);
    ShadowEntry set_leaf(Mfn shadow, unsigned index, ShadowEntry fresh);
    ShadowEntry exchange_leaf(Mfn shadow, unsigned index, ShadowEntry fresh);
    Mfn set_upper(Mfn shadow, unsigned level, unsigned index, ShadowEntry fresh);
    Mfn hook_locked(Mfn shadow, unsigned level, unsigned index, Mfn child, GuestEntry entry);
    Mfn hook(Mfn shadow, unsigned level, unsigned index, Mfn child, GuestEntry entry);
    void give_back_leaf(ShadowEntry old);
    void give_back_child(Mfn child, unsigned level);
    Mfn child_of(ShadowEntry entry);
    base::Status get_writable(Mfn frame, Gfn asked);
    base::Result<ShadowEntry> translate_leaf(GuestEntry& entry, Source source);
    base::Result<Target> translate_table(Gfn gfn);

    // bare.hpp: tables without a shadow
    ShadowEntry leaf_by_word(GuestEntry word);
    Mfn child_by_word(unsigned level, unsigned index, GuestEntry word);
    void become_bare(Mfn table, unsigned held);
    void cease_to_be_bare(Mfn table);
    void read_words(Mfn table);
    void give_back_words(Mfn table);
    base::Status materialize(Mfn table, unsigned level, Way const& way = {});

    // build.hpp
    base::Result<Work> use_table(Target const& target, unsigned level, Shadows shadows);
    base::Result<Mfn> use_child(GuestEntry entry, unsigned level, Shadows shadows, Work& work);
    base::Status build(Mfn table, unsigned level, Shadows shadows);
    base::Status take_entry_in(Mfn table, Mfn shadow, unsigned level, unsigned index, Shadows shadows, Work& work);
    void abandon(Mfn table);
    void retire_writers(FrameState& frame);

    // evict.hpp
    static constexpr unsigned kMostEvictedAtOnce = 32;
    static constexpr std::uint64_t kPatience = 1024;
    static constexpr unsigned kMostTries = 100;
    enum class Spare : std::uint8_t { used, fresh, nothing };
    /// One go of the hand of the clock.
    struct Sweep {
        Way const& way;
        unsigned wanted = 1;
        unsigned evicted = 0;
        Spare spare = Spare::used;
        bool met_busy = false;
        /// The shadow whose table the caller has locked.
        [[nodiscard]] Mfn locked() const {
            auto const last = std::find_if(way.begin(), way.end(), [](Mfn one) { return one.valid(); });
            return last == way.end() ? Mfn{} : *last;
        }
        [[nodiscard]] bool is_on_way(Mfn shadow) const {
            return std::find(way.begin(), way.end(), shadow) != way.end();
        }
    };
    base::Result<Mfn> take_page(Way const& way = {});
    base::Status make_room(Way const& way);
    void look_at(Mfn shadow, Sweep& sweep);
    void thin_out(Mfn shadow, unsigned level, Sweep& sweep);
    bool leads_on(Mfn shadow, unsigned level);
    void unhook(Mfn shadow, unsigned level, unsigned index, Mfn child);
    void remember_unhooked(Mfn child);
    bool words_say_all(Mfn table, Mfn shadow, unsigned level);
    bool evict(Mfn table, Mfn shadow, unsigned level, Sweep& sweep);
    bool unhook_all(Mfn shadow, unsigned level, Sweep& sweep);

    // leave.hpp
    void detach(Mfn table);
    TableStep put_table(Mfn table, unsigned level);
    base::Status leave(Mfn table, unsigned level, Unpin unpin);
    void tear(Mfn shadow);
    void tear_bare(Mfn table);
    base::Status drain();

    // harvest.hpp
    /// Which starts a harvest is at: every table that there is, if the lists of starts were too short; those of the harvest before;
    /// its own.
    enum class HarvestPhase : std::uint8_t { idle, whole, previous, walking };
    /// A table on the way from a start to where the harvest is, and its next entry.
    struct HarvestPlace {
        Mfn shadow;
        unsigned level = 0;
        unsigned next = 0;
    };
    struct Harvest {
        HarvestPhase phase = HarvestPhase::idle;
        unsigned next = 0; ///< start, of the list that `phase` names
        Gfn gfn;           ///< in HarvestPhase::whole
        unsigned depth = 0;
        HarvestPlace path[4]{};
    };
    void drop_list(StartList& list);
    void remember_start(Mfn table);
    void starts_at(Mfn table, unsigned level);
    unsigned level_of(Mfn shadow);
    Mfn lock_shadow(Mfn shadow, unsigned level);
    void unlist(Mfn shadow);
    void begin_harvest();
    bool next_start();
    void push_start(Mfn shadow);
    void push_table(Mfn table);
    void harvest_step();
    Mfn follow(Mfn shadow, unsigned level, unsigned index);
    void collect(Mfn shadow);

    // write_protect.hpp
    [[nodiscard]] bool protecting() const { return protecting_.load(std::memory_order_relaxed); }
    void protect(Mfn shadow);
    void allow_write(Mfn table, unsigned index, ShadowEntry fresh);

    // update.hpp
    bool keeps_frame(ShadowEntry old, GuestEntry value);
    base::Status change_leaf(Mfn table, unsigned index, Change const& wanted, bool& narrowed);
    base::Status change_upper(Mfn table, unsigned level, unsigned index, Change const& wanted);
    Mfn lock_l1(Gfn gfn);
    template <typename At>
    base::Status change_leaves(Mfn table, EntryUpdate update, At const& at, std::uint32_t count, Source source,
                               std::uint32_t& done);
    [[gnu::noinline]] base::Status write_word(EntryUpdate const& update, Source source);
    base::Status write_word_of(Mfn where, EntryUpdate const& update, Source source);
    void store(Mfn table, unsigned index, GuestEntry value);

    // walk.hpp
    base::Result<Location> descend(Root const& root, base::Vaddr address);
    bool leads_to(Root const& root, base::Vaddr address, Mfn shadow);
    [[nodiscard]] bool overtaken(std::uint64_t recycled) const;
    [[nodiscard]] bool overtaken(Location const& at) const { return overtaken(at.recycled); }
    base::Status mend_upper(Location const& at);
    Emptiness why_empty(Location const& at);
    base::Result<LockedEntry> lock_entry(Root const& root, base::Vaddr address);

    // fault.hpp
    base::Result<Judged> judge(Root const& root, base::Vaddr address, Access access, Devices devices);
    Found look_up(Root const& root, base::Vaddr address, Access access);
    base::Result<Found> find(Root const& root, base::Vaddr address, Access access);
    void mend_leaf(Location const& at, Access access);
    bool is_l1(ShadowEntry leaf);
    bool store_to_table(Found const& found);

    // grant.hpp
    base::Result<LockedEntry> lock_place(EntryPlace const& place);
    base::Result<TakenEntry> take_entry(Root const& root, base::Vaddr address);
    base::Status have_shadow(Mfn table);
    template <std::predicate<ShadowEntry, GuestEntry> Fits>
    base::Status put_entry(EntryPlace const& place, TakenEntry const& entry, Fits&& fits);
    base::Status replace_granted(EntryPlace const& place, TakenEntry const& entry, Mfn granted);

    void check_words(Mfn table, unsigned level);
    ShadowPage page(Mfn shadow) { return ShadowPage{host_.frame(shadow)}; }
    ShadowSlot slot(Mfn shadow, unsigned index) { return ShadowSlot{host_.table(shadow), index}; }
    GuestSlot guest_slot(Mfn table, unsigned index) { return GuestSlot{host_.table(table), index}; }
    base::Err<base::Error> refuse(Refusal why, Gfn gfn) {
        Counters::bump(counters_.refusals);
        host_.refused(why, gfn);
        return base::Err{base::Error::invalid};
    }

    H& host_;
    RemainsList remains_;
    Counters counters_;
    std::atomic<std::uint64_t> bare_{0};     ///< bare tables
    std::atomic<std::uint64_t> recycled_{0}; ///< pages that were used again before every CPU had flushed (evict.hpp)

    std::atomic<bool> tracking_{false};
    std::atomic<bool> protecting_{false}; ///< by Tracker::write_protect
    /// How many harvests must look at every table: a list of starts was too short.
    std::atomic<unsigned> everything_{0};
    base::Guarded<StartList, base::LockRank::paging> fresh_;
    // The harvester's own.
    StartList walking_, previous_;
    Harvest harvest_;
    std::uint32_t harvest_number_ = 0;
};

} // namespace shadow_pt

#include "shadow_pt/bare.hpp"
#include "shadow_pt/build.hpp"
#include "shadow_pt/check.hpp"
#include "shadow_pt/entries.hpp"
#include "shadow_pt/evict.hpp"
#include "shadow_pt/fault.hpp"
#include "shadow_pt/frames.hpp"
#include "shadow_pt/grant.hpp"
#include "shadow_pt/harvest.hpp"
#include "shadow_pt/leave.hpp"
#include "shadow_pt/pin.hpp"
#include "shadow_pt/update.hpp"
#include "shadow_pt/walk.hpp"
#include "shadow_pt/write_protect.hpp"
