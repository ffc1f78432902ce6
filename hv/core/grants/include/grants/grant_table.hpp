/// The granter's side: a domain's grant table, version 1 (docs/abi.md §6).
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
/// All functions: with the table's lock held (grants/lock.hpp).
#pragma once

#include <concepts>
#include <cstdint>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "grants/access.hpp"
#include "grants/paged_array.hpp"
#include "grants/shared_entry.hpp"
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
};

/// A use of a granted frame. A plain value: the map track keeps what end() needs of it.
struct Pin {
    base::GrantRef ref;
    Access access = Access::read;
    Paths paths;
    base::Mfn frame;

    /// What a device is told (`dev_bus_addr`), and what the mapper may find in its entry (SP-14).
    [[nodiscard]] base::Maddr bus_address() const { return address_of(frame); }
};

class GrantTable {
  public:
    static constexpr std::uint32_t kMaxFrames = 64;
    static constexpr std::uint32_t kEntriesPerFrame = base::kPageSize / sizeof(grant_entry_v1);

    /// A table of @p owner without frames yet, which may grow to @p max_frames (at most kMaxFrames).
    GrantTable(mm::FrameAllocator& frames, base::DomId owner, std::uint32_t max_frames);
    ~GrantTable() { ASSERT(in_use_ == 0); }

    // --- size: setup_table, query_size ------------------------------------------------------------------------

    [[nodiscard]] std::uint32_t frames() const { return static_cast<std::uint32_t>(shared_.pages()); }
    [[nodiscard]] std::uint32_t max_frames() const { return max_frames_; }
    [[nodiscard]] std::uint32_t entries() const { return frames() * kEntriesPerFrame; }
    /// Grows to @p frames, if it is smaller. general_error beyond the maximum or without memory; what was added by
    /// then stays.
    [[nodiscard]] Status grow_to(std::uint32_t frames);
    /// Frame @p index of the shared table: the owner may map it, by a number that is for its gfn map to say.
    [[nodiscard]] base::Mfn shared_frame(std::uint32_t index) const { return shared_.frame(index); }

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
            if (Active const& active = active_[ref]; !active.unused())
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
        std::uint16_t reserved = 0;
        Uses readers;
        Uses writers;

        [[nodiscard]] bool unused() const { return readers.none() && writers.none(); }
        [[nodiscard]] Uses& uses(Access access) { return access == Access::write ? writers : readers; }
    };
    static_assert(sizeof(Active) == 16);
    static constexpr std::size_t kActivePagesPerFrame = kEntriesPerFrame * sizeof(Active) / base::kPageSize;
    static constexpr std::size_t kActivePages = kMaxFrames * kActivePagesPerFrame;

    [[nodiscard]] Status check(PinRequest const& request);
    void release_claim(base::GrantRef ref, Active const& active);

    std::uint32_t max_frames_;
    PagedArray<SharedEntry, kMaxFrames> shared_;
    PagedArray<Active, kActivePages> active_;
    std::uint32_t in_use_ = 0;
    bool dying_ = false;
};

template <GranterFrames F> Result<Pin> GrantTable::begin(PinRequest const& request, F& frames) {
    TRY(check(request));
    Active& active = active_[request.ref.raw()];
    bool const first = active.unused();
    bool const first_writer = request.access == Access::write && active.writers.none();

    if (first || first_writer)
        TRY(shared_[request.ref.raw()].claim(request.mapper, request.access));
    if (first) {
        auto const taken = frames.take(shared_[request.ref.raw()].frame());
        if (!taken.ok()) {
            release_claim(request.ref, active);
            return base::Err{Fault::bad_page};
        }
        active.frame = static_cast<std::uint32_t>(taken.value().raw());
    }
    base::Mfn const frame{active.frame};
    if (first_writer && !frames.make_writable(frame).ok()) {
        release_claim(request.ref, active);
        if (first) {
            frames.drop(frame);
            active = {};
        }
        return base::Err{Fault::general_error};
    }

    active.mapper = request.mapper.raw();
    active.uses(request.access).add(request.paths);
    in_use_ += first ? 1 : 0;
    return Pin{.ref = request.ref, .access = request.access, .paths = request.paths, .frame = frame};
}

template <GranterFrames F> void GrantTable::end(Pin const& pin, F& frames) {
    Active& active = active_[pin.ref.raw()];
    active.uses(pin.access).remove(pin.paths);

    bool const last_writer = pin.access == Access::write && active.writers.none();
    if (last_writer)
        frames.drop_writable(base::Mfn{active.frame});
    release_claim(pin.ref, active);
    if (active.unused()) {
        frames.drop(base::Mfn{active.frame});
        active = {};
        --in_use_;
    }
}

} // namespace grants
