#include "mm/gfn_map.hpp"

#include <utility>

#include "arch/cpu.hpp"

namespace mm {

using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;

namespace {

/// Under each entry of the root: pages of level 3, 2 and 1; an entry of a level-1 page is a guest's frame.
constexpr unsigned kLevels = 3;
constexpr unsigned kBitsPerLevel = 9;

/// How many gfns an entry covers whose child is a page of @p level (0: the frame itself).
constexpr std::uint64_t span_of(unsigned level) { return std::uint64_t{1} << (kBitsPerLevel * level); }
static_assert(32 * span_of(kLevels) == kMaxFrames);

constexpr std::size_t index_in(unsigned level, Gfn gfn) {
    return (gfn.raw() / span_of(level - 1)) % base::kTableEntries;
}

Mfn frame_in(std::uint64_t entry) { return Mfn{entry & 0xffff'ffff}; }

} // namespace

GfnMap::~GfnMap() {
    for (auto const& entry : root_)
        ASSERT(entry.load(std::memory_order_relaxed) == 0); // destroy() was not called to its end
}

// --- look-up -------------------------------------------------------------------------------------------------------

base::Result<FrameRef> GfnMap::get(Gfn gfn) {
    Mfn const frame = hold(gfn);
    if (!frame.valid())
        return Err{Error::not_found};
    return FrameRef::adopt(allocator_.table(), frame);
}

Mfn GfnMap::hold_translated(Gfn gfn) {
    auto& table = allocator_.table();
    Entry* const entry = find(gfn);
    if (entry == nullptr)
        return {};
    for (;;) {
        auto const seen = entry->load(std::memory_order_acquire);
        if ((seen & kPresent) == 0)
            return {};
        auto frame = table.take(frame_in(seen), owner_);
        // Another CPU may have cleared the entry, and the frame become something else, before we had our reference.
        // If the entry stands now, with the reference held, it stood for this frame.
        if (entry->load(std::memory_order_acquire) == seen)
            return frame ? frame.value().release() : Mfn{};
    }
}

GfnMap::Entry* GfnMap::find(Gfn gfn) {
    if (gfn >= kEndGfn)
        return nullptr;
    Entry* entry = &root_[gfn.raw() / span_of(kLevels)];
    for (unsigned level = kLevels; level > 0; --level) {
        // Acquire meets the release in child_or_make(): the page reads as zeroes or newer.
        auto const child = entry->load(std::memory_order_acquire);
        if (child == 0)
            return nullptr;
        entry = &arch::frame_as<Entry>(frame_in(child))[index_in(level, gfn)];
    }
    return entry;
}

Mfn GfnMap::next(Gfn& cursor) {
    auto const end = limit();
    if (!translated()) {
        while (cursor < end) {
            auto const found = get(cursor);
            cursor = cursor + 1;
            if (found.ok())
                return found.value().mfn();
        }
        return {};
    }
    while (cursor < end) {
        if (auto const gap = span_without_entries(cursor); gap > 1) {
            cursor = cursor + gap;
            continue;
        }
        Entry const* entry = find(cursor);
        do { // the rest of its page
            auto const seen = entry == nullptr ? 0 : entry++->load(std::memory_order_acquire);
            cursor = cursor + 1;
            if (seen != 0)
                return frame_in(seen);
        } while (entry != nullptr && cursor < end && cursor.raw() % base::kTableEntries != 0);
    }
    return {};
}

// --- change --------------------------------------------------------------------------------------------------------

base::Status GfnMap::set(Gfn gfn, FrameRef frame) {
    auto& info = frame.info();
    bool const right_number =
        translated() ? gfn < kEndGfn && (gfn >= kFirstSpecialGfn) == info.special() : gfn.raw() == frame.mfn().raw();
    if (!right_number || info.owner_id() != owner_)
        return Err{Error::invalid};
    Entry* const entry = translated() ? TRY(find_or_make(gfn)) : nullptr;

    // A frame has one number: who sets the flag may enter it.
    if ((info.flags.fetch_or(frame_in_gfn_map, std::memory_order_acq_rel) & frame_in_gfn_map) != 0)
        return Err{Error::exists};
    if (entry != nullptr) {
        auto expected = entry->load(std::memory_order_acquire);
        if (is_taken(expected, frame.mfn()) ||
            !entry->compare_exchange_strong(expected, kPresent | frame.mfn().raw(), std::memory_order_acq_rel)) {
            info.flags.fetch_and(static_cast<std::uint16_t>(~frame_in_gfn_map), std::memory_order_acq_rel);
            return Err{Error::exists};
        }
    }
    info.flags.fetch_and(static_cast<std::uint16_t>(~frame_left_map), std::memory_order_acq_rel);
    info.gfn.store(static_cast<std::uint32_t>(gfn.raw()), std::memory_order_release);
    entered(gfn);
    frame.release();
    return {};
}

/// True if no frame but perhaps @p by may be put where @p entry stands.
bool GfnMap::is_taken(std::uint64_t entry, Mfn by) {
    if ((entry & kLeft) == 0)
        return entry != 0;
    auto const& info = allocator_.table().info(frame_in(entry));
    bool const lives = info.references.load(std::memory_order_acquire) != 0 && info.owner_id() == owner_;
    return frame_in(entry) != by && lives && info.has(frame_left_map);
}

Mfn GfnMap::named_translated(Gfn gfn) {
    Entry* const entry = find(gfn);
    auto const seen = entry == nullptr ? 0 : entry->load(std::memory_order_acquire);
    return seen == 0 ? Mfn{} : frame_in(seen);
}

void GfnMap::forget(Gfn gfn, Mfn frame) {
    auto* const entry = translated() ? find(gfn) : nullptr;
    auto expected = kLeft | frame.raw();
    if (entry != nullptr)
        entry->compare_exchange_strong(expected, 0, std::memory_order_acq_rel);
}

base::Result<GfnMap::Entry*> GfnMap::find_or_make(Gfn gfn) {
    Entry* entry = &root_[gfn.raw() / span_of(kLevels)];
    for (unsigned level = kLevels; level > 0; --level)
        entry = &arch::frame_as<Entry>(TRY(child_or_make(*entry)))[index_in(level, gfn)];
    return entry;
}

base::Result<Mfn> GfnMap::child_or_make(Entry& entry) {
    auto child = entry.load(std::memory_order_acquire);
    if (child != 0)
        return frame_in(child);
    auto page = TRY(allocator_.allocate_frame({}));
    // Two CPUs may race here: the loser's page goes back. Release: the page's zeroes are seen before its number.
    if (!entry.compare_exchange_strong(child, kPresent | page.mfn().raw(), std::memory_order_acq_rel))
        return frame_in(child);
    return page.release();
}

base::Result<FrameRef> GfnMap::clear(Gfn gfn) {
    auto& table = allocator_.table();
    if (!translated())
        return clear_direct(Mfn{gfn.raw()});
    Entry* const entry = find(gfn);
    auto was = entry == nullptr ? 0 : entry->load(std::memory_order_acquire);
    do {
        if ((was & kPresent) == 0)
            return Err{Error::not_found};
        // First, so that nothing is put there meanwhile. If another CPU is faster, the frame has left, or is a new one: whose map
        // says nothing of it.
        table.info(frame_in(was)).flags.fetch_or(frame_left_map, std::memory_order_acq_rel);
    } while (!entry->compare_exchange_weak(was, kLeft | frame_in(was).raw(), std::memory_order_acq_rel));
    if (gfn < kFirstSpecialGfn)
        frames_.fetch_sub(1, std::memory_order_relaxed);
    auto frame = FrameRef::adopt(table, frame_in(was));
    // Sequentially consistent: whoever begins to hold it by its number looks there after saying so (Paging::bare_tables).
    frame.info().gfn.store(kNoGfn, std::memory_order_seq_cst);
    frame.info().flags.fetch_and(static_cast<std::uint16_t>(~frame_in_gfn_map), std::memory_order_acq_rel);
    return frame;
}

base::Result<FrameRef> GfnMap::clear_direct(Mfn mfn) {
    auto& table = allocator_.table();
    auto const held = TRY(table.take(mfn, owner_));
    auto const flags = held.info().flags.fetch_and(static_cast<std::uint16_t>(~frame_in_gfn_map));
    if ((flags & frame_in_gfn_map) == 0)
        return Err{Error::not_found};
    held.info().gfn.store(kNoGfn, std::memory_order_relaxed);
    return FrameRef::adopt(table, mfn); // the map's reference; ours goes at the end of the scope
}

void GfnMap::entered(Gfn gfn) {
    if (translated() && gfn >= kFirstSpecialGfn)
        return;
    frames_.fetch_add(1, std::memory_order_relaxed);
    auto limit = limit_.load(std::memory_order_relaxed);
    while (limit <= gfn.raw() && !limit_.compare_exchange_weak(limit, gfn.raw() + 1, std::memory_order_relaxed)) {
    }
}

// --- teardown ------------------------------------------------------------------------------------------------------

base::Result<GfnMap::Found> GfnMap::clear_next(Gfn& cursor, std::uint32_t& budget) {
    Gfn const end = translated() ? kEndGfn : limit();
    while (cursor < end) {
        if (budget == 0)
            return Err{Error::preempted};
        --budget;
        Gfn const gfn = cursor;
        cursor = Gfn{cursor.raw() + span_without_entries(gfn)};
        auto frame = clear(gfn);
        if (frame.ok())
            return Found{gfn, std::move(frame).value()};
    }
    return Err{Error::not_found};
}

/// From @p gfn to the end of the subtree that is absent there; 1 if there is an entry for it.
std::uint64_t GfnMap::span_without_entries(Gfn gfn) {
    if (!translated())
        return 1;
    Entry* entry = &root_[gfn.raw() / span_of(kLevels)];
    for (unsigned level = kLevels; level > 0; --level) {
        auto const child = entry->load(std::memory_order_acquire);
        if (child == 0)
            return span_of(level) - gfn.raw() % span_of(level);
        entry = &arch::frame_as<Entry>(frame_in(child))[index_in(level, gfn)];
    }
    return 1;
}

base::Status GfnMap::destroy(std::uint32_t budget) {
    for (auto& entry : root_)
        if (!free_below(entry, kLevels, budget))
            return Err{Error::preempted};
    return {};
}

/// Frees the page of @p level that @p entry names and all below it; false when @p budget has run out.
bool GfnMap::free_below(Entry& entry, unsigned level, std::uint32_t& budget) {
    auto const child = entry.load(std::memory_order_relaxed);
    if (child == 0)
        return true;
    auto* const entries = arch::frame_as<Entry>(frame_in(child));
    for (unsigned i = 0; i < base::kTableEntries; ++i) {
        if (level > 1 && !free_below(entries[i], level - 1, budget))
            return false;
        // clear_all() comes first; and of what was cleared nobody holds anything by its number any more.
        ASSERT((entries[i].load(std::memory_order_relaxed) & kPresent) == 0);
    }
    if (budget == 0)
        return false;
    --budget;
    entry.store(0, std::memory_order_relaxed);
    allocator_.table().drop_reference(frame_in(child));
    return true;
}

} // namespace mm
