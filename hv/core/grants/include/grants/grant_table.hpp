/// The granter's side: a domain's grant table, of version 1 or 2 (docs/abi.md §6).
///
/// The *shared* table lies in frames of the hypervisor's that the domain may map; the guest writes what it grants. The
/// *active* table beside it is ours: for each reference in use who uses it, which frame it stood for when the use
/// began, and how many uses there are of each kind. A use is a *pin*:
///
///     Pin const pin = TRY(table.begin(request, frames));   // first: claims the entry, takes the frame
///     ...                                                   // make the mapping, or copy
///     table.end(pin, frames);                               // last: gives both back
///
/// The frame is taken at the first pin and kept to the last, whatever the guest writes meanwhile and even if the
/// granter dies (SP-2). Pins of one reference at one time belong to one mapper.
///
/// Version 2 is what only a copy can use: parts of pages, and *transitive* grants, which pass on what another domain has
/// granted. A pin of a transitive grant holds no frame: it says where the next pin is to be had.
/// All functions: with the table's lock held (grants/lock.hpp).
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "grants/access.hpp"
#include "grants/paged_array.hpp"
#include "grants/shared_entry.hpp"
#include "grants/shared_entry_v2.hpp"
#include "grants/status.hpp"

namespace grants {

/// What the table needs of the granter's frames. Called under the table's lock.
template <typename F>
concept GranterFrames = requires(F& frames, base::Gfn gfn, base::Mfn mfn) {
    /// A reference to the granter's RAM frame @p gfn, never a special one; any error becomes bad_page.
    { frames.take(gfn) } -> std::same_as<base::Result<base::Mfn>>;
    { frames.drop(mfn) } -> std::same_as<void>;
    /// Counts a writable use of a frame already taken (SP-1); any error becomes general_error.
    { frames.make_writable(mfn) } -> std::same_as<base::Status>;
    { frames.drop_writable(mfn) } -> std::same_as<void>;
};

struct PinRequest {
    base::GrantRef ref;
    base::DomId mapper;
    Access access = Access::read;
    Paths paths{.host = true}; ///< at least one
    Purpose purpose = Purpose::map;
};

/// A use of a granted frame. A plain value: the map track keeps what end() needs of it.
struct Pin {
    base::GrantRef ref;
    Access access = Access::read;
    Paths paths;
    base::Mfn frame;   ///< invalid: it is `granted.via` who grants one
    Granted granted{}; ///< what the entry said; for a copy only
};

class GrantTable {
  public:
    static constexpr std::uint32_t kMaxFrames = 64;
    static constexpr std::uint32_t kEntriesPerFrame = base::kPageSize / sizeof(grant_entry_v1);
    static constexpr std::uint32_t kEntriesPerFrameV2 = base::kPageSize / sizeof(grant_entry_v2);
    /// Frames of entries, version 2, that share one frame of statuses.
    static constexpr std::uint32_t kFramesPerStatusFrame = base::kPageSize / sizeof(EntryStatus) / kEntriesPerFrameV2;
    static constexpr std::uint32_t kMaxVersion = 2;
    static constexpr std::uint32_t kReservedEntries = 8; ///< GNTTAB_NR_RESERVED_ENTRIES: the toolstack's

    struct Limits {
        std::uint32_t frames = kMaxFrames; ///< at most kMaxFrames
        std::uint32_t version = kMaxVersion;
    };

    /// A table of @p owner, of version 1, without frames yet.
    GrantTable(mm::FrameAllocator& frames, base::DomId owner, Limits limits);
    ~GrantTable() { ASSERT(in_use_ == 0); }

    // --- size: setup_table, query_size ------------------------------------------------------------------------

    [[nodiscard]] std::uint32_t frames() const { return static_cast<std::uint32_t>(shared_.pages()); }
    [[nodiscard]] std::uint32_t max_frames() const { return limits_.frames; }
    [[nodiscard]] std::uint32_t entries() const { return frames() * entries_per_frame(); }
    /// Grows to @p frames, if it is smaller. general_error beyond the maximum or without memory; what was added by
    /// then stays.
    [[nodiscard]] Status grow_to(std::uint32_t frames);
    /// Frame @p index of the shared table: the owner may map it, by a number that is for its gfn map to say.
    [[nodiscard]] base::Mfn shared_frame(std::uint32_t index) const { return shared_.frame(index); }

    // --- version: set_version, get_status_frames (version.cpp) ---------------------------------------------------

    [[nodiscard]] std::uint32_t version() const { return version_; }
    /// Another version: all entries are cleared, but the reserved ones, which become entries of that version.
    ///   invalid           there is no such version
    ///   not_implemented   the domain may not have it
    ///   busy              an entry that is not reserved is in use, or the guest has status frames mapped
    ///   no_memory         no status frames; nothing has changed
    /// @p mapped(frame): whether the guest, or a toolstack, holds the status frame.
    template <typename Mapped> [[nodiscard]] base::Status set_version(std::uint32_t version, Mapped&& mapped);
    /// Frames of statuses; none in version 1.
    [[nodiscard]] std::uint32_t status_frames() const { return version_ == 1 ? 0 : status_frames_for(frames()); }
    [[nodiscard]] std::uint32_t max_status_frames() const { return status_frames_for(limits_.frames); }
    [[nodiscard]] base::Mfn status_frame(std::uint32_t index) const { return status_.frame(index); }

    /// GNTTABOP_swap_grant_ref
    ///   bad_ref   beyond the table
    ///   again     one of them is in use
    [[nodiscard]] Status swap(base::GrantRef one, base::GrantRef other);

    // --- a domain's record (record.cpp) --------------------------------------------------------------------------

    [[nodiscard]] std::uint32_t most_version() const { return limits_.version; }
    /// Frame @p index as the guest has written it: without the marks of who uses its entries.
    void save_frame(std::uint32_t index, std::span<std::byte, base::kPageSize> into);
    /// The reverse. Nothing in it is in use then, whatever it says. `busy`: something is.
    [[nodiscard]] base::Status restore_frame(std::uint32_t index, std::span<std::byte const, base::kPageSize> from);

    /// Writes an entry that lets @p mapper write @p frame. Domain builder, before the guest runs.
    [[nodiscard]] Status seed(base::GrantRef ref, base::DomId mapper, base::Gfn frame);

    // --- uses: map, unmap, copy -------------------------------------------------------------------------------

    /// Begins a use.
    ///   bad_ref         beyond the table
    ///   general_error   the entry does not permit it, does not hold still, is in use by another domain, or too often;
    ///                   or the frame cannot be written (it is a page table)
    ///   bad_page        the granter has no such frame
    ///   bad_domain      the granter is dying
    template <GranterFrames F> [[nodiscard]] Result<Pin> begin(PinRequest const& request, F& frames);
    /// Ends what begin() gave, or one path of it. After the mapper's translations were flushed.
    template <GranterFrames F> void end(Pin const& pin, F& frames);

    /// The frame that @p ref stands for now; invalid if it is not in use.
    [[nodiscard]] base::Mfn pinned_frame(base::GrantRef ref);
    /// Calls @p visit(frame, whether there are writers) for each reference in use. For checks.
    template <typename Visit> void for_each_use(Visit&& visit) {
        for (std::uint32_t ref = 0; ref < entries(); ++ref)
            if (Active const& active = active_[ref]; active.holds_frame())
                visit(base::Mfn{active.frame}, !active.writers.none());
    }

    // --- the end ----------------------------------------------------------------------------------------------

    /// No new uses from now on; those that are go on until their mappers end them.
    void begin_dying() { dying_ = true; }
    /// References in use. A dead granter's table must live until this is 0.
    [[nodiscard]] std::uint32_t in_use() const { return in_use_; }

  private:
    /// Uses of one kind: through the host's entries and through devices.
    struct Uses {
        std::uint16_t host = 0;
        std::uint16_t device = 0;

        [[nodiscard]] bool none() const { return host == 0 && device == 0; }
        [[nodiscard]] bool full_for(Paths paths) const;
        void add(Paths paths);
        void remove(Paths paths);
    };
    /// One reference's uses; all zero while there are none.
    struct Active {
        std::uint32_t frame = 0;
        std::uint16_t mapper = 0;
        Granted::Kind kind = Granted::Kind::page; ///< by the first use
        std::uint8_t reserved = 0;
        Uses readers;
        Uses writers;

        [[nodiscard]] bool unused() const { return readers.none() && writers.none(); }
        [[nodiscard]] bool holds_frame() const { return !unused() && kind != Granted::Kind::transitive; }
        [[nodiscard]] Uses& uses(Access access) { return access == Access::write ? writers : readers; }
    };
    static_assert(sizeof(Active) == 16);
    static constexpr std::size_t kActivePagesPerFrame = kEntriesPerFrame * sizeof(Active) / base::kPageSize;
    static constexpr std::size_t kActivePages = kMaxFrames * kActivePagesPerFrame;

    static constexpr std::size_t kStatusPages = kMaxFrames / kFramesPerStatusFrame;

    [[nodiscard]] std::uint32_t entries_per_frame() const {
        return version_ == 1 ? kEntriesPerFrame : kEntriesPerFrameV2;
    }
    [[nodiscard]] static constexpr std::uint32_t status_frames_for(std::uint32_t frames) {
        return (frames + kFramesPerStatusFrame - 1) / kFramesPerStatusFrame;
    }
    [[nodiscard]] SharedEntryV2& entry_v2(std::uint32_t ref);
    [[nodiscard]] Status check(PinRequest const& request);
    [[nodiscard]] Result<Granted> claim(PinRequest const& request);
    void release_claim(base::GrantRef ref, Active const& active);
    [[nodiscard]] base::Status may_become(std::uint32_t version);
    [[nodiscard]] base::Status grow_status(std::uint32_t pages);
    void convert(std::uint32_t version);

    Limits limits_;
    std::uint32_t version_ = 1;
    PagedArray<SharedEntry, kMaxFrames> shared_;   ///< of version 2: see entry_v2()
    PagedArray<EntryStatus, kStatusPages> status_; ///< kept, once there, to the end
    PagedArray<Active, kActivePages> active_;
    std::uint32_t in_use_ = 0;
    bool dying_ = false;
};

template <GranterFrames F> Result<Pin> GrantTable::begin(PinRequest const& request, F& frames) {
    TRY(check(request));
    Active& active = active_[request.ref.raw()];
    bool const first = active.unused();
    bool const first_writer = request.access == Access::write && active.writers.none();

    // What is less than a page is looked at by each use: the table keeps no more than the frame.
    bool const look = first || first_writer || active.kind != Granted::Kind::page;
    auto const granted = look ? TRY(claim(request)) : Granted{};
    if (!first && granted.kind != active.kind) {
        release_claim(request.ref, active);
        return base::Err{Fault::general_error}; // it has become another one while it was in use
    }
    bool const holds_frame = granted.kind != Granted::Kind::transitive;
    if (first && holds_frame) {
        auto const taken = frames.take(granted.frame);
        if (!taken.ok()) {
            release_claim(request.ref, active);
            return base::Err{Fault::bad_page};
        }
        active.frame = static_cast<std::uint32_t>(taken.value().raw());
    }
    base::Mfn const frame = holds_frame ? base::Mfn{active.frame} : base::Mfn{};
    if (first_writer && holds_frame && !frames.make_writable(frame).ok()) {
        release_claim(request.ref, active);
        if (first) {
            frames.drop(frame);
            active = {};
        }
        return base::Err{Fault::general_error};
    }

    active.mapper = request.mapper.raw();
    active.kind = granted.kind;
    active.uses(request.access).add(request.paths);
    in_use_ += first ? 1 : 0;
    return Pin{
        .ref = request.ref, .access = request.access, .paths = request.paths, .frame = frame, .granted = granted};
}

template <GranterFrames F> void GrantTable::end(Pin const& pin, F& frames) {
    Active& active = active_[pin.ref.raw()];
    active.uses(pin.access).remove(pin.paths);

    bool const last_writer = pin.access == Access::write && active.writers.none();
    bool const holds_frame = active.kind != Granted::Kind::transitive;
    if (last_writer && holds_frame)
        frames.drop_writable(base::Mfn{active.frame});
    release_claim(pin.ref, active);
    if (active.unused()) {
        if (holds_frame)
            frames.drop(base::Mfn{active.frame});
        active = {};
        --in_use_;
    }
}

template <typename Mapped> base::Status GrantTable::set_version(std::uint32_t version, Mapped&& mapped) {
    TRY(may_become(version));
    if (version == version_)
        return {};
    for (std::uint32_t page = 0; page < status_frames(); ++page)
        if (mapped(status_.frame(page)))
            return base::Err{base::Error::busy};
    TRY(grow_status(version == 1 ? 0 : status_frames_for(frames())));
    convert(version);
    return {};
}

} // namespace grants
