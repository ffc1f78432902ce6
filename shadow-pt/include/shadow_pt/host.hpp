/// What shadow paging needs from the domain whose tables it translates, and nothing more.
///
/// One host for each domain. Every function may be called on any CPU at once, with table locks held; none may wait for
/// a table lock. An example of a host is the fake of the unit tests.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "shadow_pt/frame_state.hpp"
#include "shadow_pt/guest_entry.hpp"
#include "shadow_pt/tlb_clock.hpp"

namespace shadow_pt {

/// What kind of frame an entry names. Kept in the shadow entry, so that it can be given back as what it was.
enum class TargetKind : std::uint8_t {
    own,     ///< RAM of the domain
    foreign, ///< RAM of another: by the right of a privileged mmu_update, or of a grant (of its own RAM, too)
    special, ///< a page of the hypervisor's shown to the domain (shared_info, grant frames): no use word, never dirty
    device,  ///< not RAM (MMIO): no reference, no FrameState
};

/// A frame that an entry may name.
struct Target {
    base::Mfn frame;
    TargetKind kind = TargetKind::own;
    base::Gfn shown;        ///< what the guest's entry says of it when read back (SP-14)
    bool read_only = false; ///< installed without write permission, whatever was asked (read-only MMIO ranges)
};

struct Wanted {
    bool write = false;
};

/// Why an operation was refused, for the log.
enum class Refusal : std::uint8_t {
    reserved_bits,   ///< of an entry (SP-24)
    wrong_use,       ///< the frame is writable, or a table of another level, or a descriptor page (SP-1)
    not_own_ram,     ///< a table must be the domain's own RAM
    translation,     ///< the host said no
    hypervisor_slot, ///< an update of L4 slots 256..271
    pinned_already,
    not_pinned,
    no_table,   ///< no L1 there
    lent_entry, ///< an entry made by a grant or for another domain (SP-14)
    misaligned,
};

template <typename H>
concept Host = requires(H& host, base::Mfn frame, base::Gfn gfn, Target const& target, Stamp stamp, unsigned slot,
                        std::uint64_t entry, typename H::Source source, base::Gfn& cursor) {
    /// Whose frames an entry may name. A default-made one means the domain's own: RAM, special pages, and MMIO that it
    /// has a right to.
    requires std::default_initializable<typename H::Source> && std::equality_comparable<typename H::Source>;

    /// The bytes of a frame of RAM, through the direct map.
    { host.table(frame) } -> std::same_as<std::uint64_t*>;
    /// The state of a frame of RAM (own, foreign, or a shadow page).
    { host.frame(frame) } -> std::same_as<FrameState&>;

    /// The frame that @p gfn names, with one reference for whoever asked (none for `device`); the error is what the
    /// guest gets. Any gfn may be asked for.
    { host.translate(gfn, Wanted{}, source) } -> std::same_as<base::Result<Target>>;
    /// True if @p gfn names the domain's own RAM @p frame, which has a reference, now. Cheap: asked at each change of an
    /// entry's rights, so that its frame need not be translated and counted again.
    { host.still_names(gfn, frame) } -> std::same_as<bool>;
    /// The same frame alone, if it is RAM; and of any number that a guest has named: then a hint.
    { host.named_frame(gfn) } -> std::same_as<base::Mfn>;
    /// True if translate() would answer this frame to @p gfn now, as `own`; more than still_names() for a frame that has left the
    /// domain, which entries that there are may go on naming.
    { host.translates(gfn, frame) } -> std::same_as<bool>;
    /// The frame that an entry of the domain's, which names @p gfn, holds: as translate() once said by the same number, of a default
    /// Source, and without a reference. A number that leaves the domain while Paging::bare_tables() is not 0 goes on naming
    /// its frame here, and names no other, as long as anybody has a reference to that frame.
    { host.named(gfn) } -> std::same_as<std::optional<Target>>;
    /// One reference more to a frame that had one a moment ago; refused if it has none any more.
    { host.reference(frame) } -> std::same_as<base::Status>;
    /// Gives a reference back. The last one frees the frame.
    {host.release(frame, target.kind)};

    /// A page for a shadow, zeroed, its FrameState `none`, that every CPU has flushed for; any error leaves the table to
    /// later faults (SP-10).
    { host.allocate_shadow() } -> std::same_as<base::Result<base::Mfn>>;
    /// The same, if there is one, of those that no CPU in a guest will walk through any more: waits as retire() does (SP-11).
    { host.allocate_shadow_at_once() } -> std::same_as<base::Result<base::Mfn>>;
    /// One page after the other of those that allocate_shadow() gave, round and round; invalid if there is none. Hints.
    { host.next_shadow() } -> std::same_as<base::Mfn>;
    { host.shadows_in_use() } -> std::same_as<std::uint64_t>;
    /// Takes a shadow page back; it may be reused when every CPU has flushed since @p stamp (SP-11).
    {host.free_shadow(frame, stamp)};

    /// @p frame (`own` or `foreign`) was written: into its owner's log (SP-5).
    {host.mark_dirty(frame)};
    /// An entry of this domain that lets it write to @p frame, another's, has come (@p more) or gone (SP-21).
    {host.foreign_writer(frame, bool{})};
    /// The domain's own frame @p gfn is a page table from now on.
    {host.became_table(gfn)};
    /// The domain's own frame at or after @p gfn, which moves behind it; invalid if there is none. A hint: without a reference.
    { host.next_own(cursor) } -> std::same_as<base::Mfn>;
    /// True if the operation has held the CPU for long enough (SP-9). Asked only after some progress.
    { host.should_yield() } -> std::same_as<bool>;

    { host.clock() } -> std::same_as<TlbClock&>;
    /// Returns when no CPU will use a translation from before @p stamp any more: those in a guest have flushed, the
    /// others will before they enter one. It waits only for CPUs in a guest, which hold no table lock (SP-6).
    {host.retire(stamp)};

    /// Slot @p slot of the template @p frame now holds @p entry: so must every root page copied from it, from now on.
    /// The template was written before; a copy that is being made at this moment must not end with the old one.
    {host.root_entry_changed(frame, slot, entry)};

    /// What an entry may say that names a frame of @p source: it is written in that domain's numbers.
    { host.rules(source) } -> std::same_as<EntryRules>;
    /// For the log: something was refused.
    {host.refused(Refusal{}, gfn)};
};

} // namespace shadow_pt
