// Versions of a grant table: how it goes from one to the other, and what they do differently.
#include <array>
#include <cstring>
#include <utility>

#include "grants/grant_table.hpp"

namespace grants {

using base::Err;

SharedEntryV2& GrantTable::entry_v2(std::uint32_t ref) {
    auto const frame = shared_.frame(ref / kEntriesPerFrameV2);
    return arch::frame_as<SharedEntryV2>(frame)[ref % kEntriesPerFrameV2];
}

base::Status GrantTable::may_become(std::uint32_t version) {
    if (version != 1 && version != 2)
        return Err{base::Error::invalid};
    if (version > limits_.version)
        return Err{base::Error::not_implemented};
    if (version == version_)
        return {};
    for (std::uint32_t ref = kReservedEntries; ref < entries(); ++ref)
        if (!active_[ref].unused())
            return Err{base::Error::busy};
    return {};
}

base::Status GrantTable::grow_status(std::uint32_t pages) {
    while (status_.pages() < pages)
        TRY(status_.grow());
    return {};
}

void GrantTable::convert(std::uint32_t version) {
    std::array<grant_entry_v1, kReservedEntries> reserved{};
    if (frames() != 0)
        for (std::uint32_t ref = 0; ref < kReservedEntries; ++ref)
            reserved[ref] = version == 2 ? shared_[ref].value() : entry_v2(ref).as_v1(status_[ref]);

    for (std::uint32_t page = 0; page < frames(); ++page)
        std::memset(arch::direct_map(shared_.frame(page)), 0, base::kPageSize);
    for (std::uint32_t page = 0; page < status_.pages(); ++page)
        std::memset(arch::direct_map(status_.frame(page)), 0, base::kPageSize);

    version_ = version;
    if (frames() == 0)
        return;
    for (std::uint32_t ref = 0; ref < kReservedEntries; ++ref) {
        auto const marks = static_cast<std::uint16_t>(reserved[ref].flags & (GTF_reading | GTF_writing));
        if (version == 1) {
            shared_[ref].become(reserved[ref]);
        } else {
            entry_v2(ref).become(reserved[ref]);
            static_cast<void>(status_[ref].set(marks));
        }
    }
}

Status GrantTable::swap(base::GrantRef one, base::GrantRef other) {
    if (one.raw() >= entries() || other.raw() >= entries())
        return Err{Fault::bad_ref};
    if (!active_[one.raw()].unused() || !active_[other.raw()].unused())
        return Err{Fault::again};
    if (one == other)
        return {};
    if (version_ == 2) {
        entry_v2(one.raw()).swap(entry_v2(other.raw()));
        return {};
    }
    auto const value = shared_[one.raw()].value();
    shared_[one.raw()].become(shared_[other.raw()].value());
    shared_[other.raw()].become(value);
    return {};
}

} // namespace grants
