// The table as a value: what a domain's record holds of it (docs/domain-record.md).
#include <array>
#include <cstring>

#include "grants/grant_table.hpp"

namespace grants {
namespace {

/// Version 2 has its marks elsewhere.
void clear_marks(std::span<std::byte, base::kPageSize> frame) {
    for (std::size_t at = 0; at < frame.size(); at += sizeof(grant_entry_v1)) {
        std::uint16_t flags = 0;
        std::memcpy(&flags, &frame[at], sizeof flags);
        flags = static_cast<std::uint16_t>(flags & ~(GTF_reading | GTF_writing));
        std::memcpy(&frame[at], &flags, sizeof flags);
    }
}

/// What both versions begin with.
grant_entry_header_t header_at(std::span<std::byte const> frame, std::size_t at) {
    grant_entry_header_t header{};
    std::memcpy(&header, &frame[at], sizeof header);
    return header;
}

} // namespace

void GrantTable::save_frame(std::uint32_t index, std::span<std::byte, base::kPageSize> into) {
    std::memcpy(into.data(), arch::direct_map(shared_.frame(index)), into.size());
    if (version_ == 1)
        clear_marks(into);
}

base::Status GrantTable::restore_frame(std::uint32_t index, std::span<std::byte const, base::kPageSize> from) {
    auto const size = base::kPageSize / entries_per_frame();
    auto const first = index * entries_per_frame();
    std::array<std::uint16_t, kEntriesPerFrame> marks{};
    for (std::uint32_t i = 0; i < entries_per_frame(); ++i) {
        auto const& active = active_[first + i];
        if (active.unused())
            continue;
        auto const header = header_at(from, i * size);
        if ((header.flags & GTF_type_mask) != GTF_permit_access || header.domid != active.mapper)
            return base::Err{base::Error::busy};
        marks[i] = static_cast<std::uint16_t>(GTF_reading | (active.writers.none() ? 0 : GTF_writing));
    }
    std::span<std::byte, base::kPageSize> const to{arch::direct_map(shared_.frame(index)), base::kPageSize};
    std::memcpy(to.data(), from.data(), from.size());
    if (version_ != 1)
        return {}; // the marks are in the statuses, and are still true
    clear_marks(to);
    for (std::uint32_t i = 0; i < entries_per_frame(); ++i)
        if (marks[i] != 0) {
            auto header = header_at(to, i * size);
            header.flags = static_cast<std::uint16_t>(header.flags | marks[i]);
            std::memcpy(&to[i * size], &header, sizeof header);
        }
    return {};
}

} // namespace grants
