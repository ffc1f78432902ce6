#include "grants/map_track.hpp"

namespace grants {

using base::Err;
using base::GrantHandle;

namespace {

/// Paths as two bits of MapTrack::Entry::paths; claimed ones stand kClaimedShift higher.
constexpr std::uint8_t kHost = 1;
constexpr std::uint8_t kDevice = 2;
constexpr unsigned kClaimedShift = 2;

constexpr std::uint8_t bits_of(Paths paths) {
    return static_cast<std::uint8_t>((paths.host ? kHost : 0) | (paths.device ? kDevice : 0));
}
constexpr Paths paths_of(unsigned bits) { return {.host = (bits & kHost) != 0, .device = (bits & kDevice) != 0}; }

} // namespace

MapTrack::MapTrack(mm::FrameAllocator& frames, std::uint32_t max_frames)
    : max_frames_{max_frames < kMaxFrames ? max_frames : kMaxFrames}, entries_{frames, {}} {}

// --- handles -------------------------------------------------------------------------------------------------------

Result<GrantHandle> MapTrack::reserve() {
    if (first_free_ == 0)
        TRY(grow());
    GrantHandle const handle{first_free_ - 1};
    Entry& entry = entries_[handle.raw()];
    first_free_ = entry.ref;
    entry = {};
    entry.state = State::reserved;
    ++in_use_;
    return handle;
}

Status MapTrack::grow() {
    auto const first = static_cast<std::uint32_t>(entries_.size());
    if (entries_.pages() == max_frames_ || !entries_.grow().ok())
        return Err{Fault::no_space};
    // Low handles first.
    for (auto handle = static_cast<std::uint32_t>(entries_.size()); handle-- > first;)
        chain(handle);
    return {};
}

void MapTrack::chain(std::uint32_t handle) {
    entries_[handle] = {};
    entries_[handle].ref = first_free_;
    first_free_ = handle + 1;
}

void MapTrack::put_back(GrantHandle handle) {
    chain(handle.raw());
    --in_use_;
}

void MapTrack::abandon(GrantHandle handle) {
    ASSERT(entries_[handle.raw()].state == State::reserved);
    put_back(handle);
}

void MapTrack::commit(GrantHandle handle, Mapping const& mapping) {
    Entry& entry = entries_[handle.raw()];
    ASSERT(entry.state == State::reserved && mapping.pin.paths.any());
    entry = {.host_address = mapping.host_address,
             .ref = mapping.pin.ref.raw(),
             .frame = static_cast<std::uint32_t>(mapping.pin.frame.raw()),
             .flags = mapping.flags.raw,
             .granter = mapping.granter.raw(),
             .state = State::mapped,
             .paths = bits_of(mapping.pin.paths)};
}

// --- taking apart --------------------------------------------------------------------------------------------------

Result<Unmapping> MapTrack::begin_unmap(GrantHandle handle, Paths paths) {
    if (handle.raw() >= entries_.size() || entries_[handle.raw()].state != State::mapped)
        return Err{Fault::bad_handle};
    Entry& entry = entries_[handle.raw()];
    unsigned const available = entry.paths & ~(entry.paths >> kClaimedShift) & (kHost | kDevice);
    if (available == 0)
        return Err{Fault::bad_handle};
    unsigned const claimed = available & bits_of(paths);
    entry.paths = static_cast<std::uint8_t>(entry.paths | claimed << kClaimedShift);

    MapFlags const flags{entry.flags};
    Pin const pin{.ref = base::GrantRef{entry.ref},
                  .access = flags.access(),
                  .paths = paths_of(claimed),
                  .frame = base::Mfn{entry.frame}};
    return Unmapping{
        .handle = handle,
        .mapping = {
            .granter = base::DomId{entry.granter}, .pin = pin, .host_address = entry.host_address, .flags = flags}};
}

void MapTrack::finish_unmap(Unmapping const& unmapping) {
    if (!unmapping.mapping.pin.paths.any())
        return; // it claimed nothing: the handle may be another's by now
    Entry& entry = claimed_by(unmapping);
    unsigned const gone = bits_of(unmapping.mapping.pin.paths);
    entry.paths = static_cast<std::uint8_t>(entry.paths & ~(gone | gone << kClaimedShift));
    if (entry.paths == 0)
        put_back(unmapping.handle);
}

void MapTrack::cancel_unmap(Unmapping const& unmapping) {
    if (!unmapping.mapping.pin.paths.any())
        return;
    Entry& entry = claimed_by(unmapping);
    unsigned const kept = bits_of(unmapping.mapping.pin.paths);
    entry.paths = static_cast<std::uint8_t>(entry.paths & ~(kept << kClaimedShift));
}

/// The entry of @p unmapping, whose claims must stand.
MapTrack::Entry& MapTrack::claimed_by(Unmapping const& unmapping) {
    Entry& entry = entries_[unmapping.handle.raw()];
    unsigned const claimed = unsigned{bits_of(unmapping.mapping.pin.paths)} << kClaimedShift;
    ASSERT(entry.state == State::mapped && (entry.paths & claimed) == claimed);
    return entry;
}

Result<GrantHandle> MapTrack::next(GrantHandle from) {
    for (auto handle = from.raw(); handle < entries_.size(); ++handle)
        if (entries_[handle].state == State::mapped)
            return GrantHandle{handle};
    return Err{Fault::bad_handle};
}

} // namespace grants
