#include "grants/shared_entry_v2.hpp"

namespace grants {

using base::Err;

namespace {

bool permits(std::uint32_t head, base::DomId mapper, Access access, Purpose purpose) {
    if (head >> 16 != mapper.raw() || (access == Access::write && (head & GTF_readonly) != 0))
        return false;
    auto const type = head & GTF_type_mask;
    if (purpose == Purpose::map)
        return type == GTF_permit_access && (head & GTF_sub_page) == 0;
    return type == GTF_permit_access || type == GTF_transitive;
}

} // namespace

void EntryStatus::release(bool reading_too) {
    clear(static_cast<std::uint16_t>(GTF_writing | (reading_too ? GTF_reading : 0)));
}

Result<Granted> SharedEntryV2::claim(EntryStatus& status, base::DomId mapper, Access access, Purpose purpose) const {
    auto const marks = static_cast<std::uint16_t>(GTF_reading | (access == Access::write ? GTF_writing : 0));
    auto const standing = status.set(marks);
    auto const head = head_.load(); // sequentially consistent, as the marks are: after them
    if (!permits(head, mapper, access, purpose)) {
        status.clear(static_cast<std::uint16_t>(marks & ~standing));
        return Err{Fault::general_error};
    }
    return granted(head);
}

Granted SharedEntryV2::granted(std::uint32_t head) const {
    auto const part = part_.load(std::memory_order_relaxed);
    auto const frame = frame_.load(std::memory_order_relaxed);
    if ((head & GTF_type_mask) == GTF_transitive)
        return {.kind = Granted::Kind::transitive,
                .via = base::DomId{static_cast<std::uint16_t>(part)},
                .via_ref = base::GrantRef{static_cast<std::uint32_t>(frame)}};
    if ((head & GTF_sub_page) != 0)
        return {.kind = Granted::Kind::part,
                .frame = base::Gfn{frame},
                .part = {.offset = part & 0xffff, .length = part >> 16}};
    return {.frame = base::Gfn{frame}};
}

grant_entry_v1 SharedEntryV2::as_v1(EntryStatus const& status) const {
    auto const head = head_.load(std::memory_order_relaxed);
    auto const frame = frame_.load(std::memory_order_relaxed);
    if ((head & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access)
        return {};
    return {.flags = static_cast<std::uint16_t>((head & (GTF_type_mask | GTF_readonly)) | status.marks()),
            .domid = static_cast<domid_t>(head >> 16),
            .frame = static_cast<std::uint32_t>(frame)};
}

void SharedEntryV2::become(grant_entry_v1 const& entry) {
    frame_.store(entry.frame, std::memory_order_relaxed);
    std::uint32_t const flags = entry.flags & ~std::uint32_t{GTF_reading | GTF_writing};
    head_.store(flags | std::uint32_t{entry.domid} << 16, std::memory_order_release);
}

void SharedEntryV2::swap(SharedEntryV2& other) {
    head_.store(other.head_.exchange(head_));
    part_.store(other.part_.exchange(part_));
    frame_.store(other.frame_.exchange(frame_));
}

} // namespace grants
