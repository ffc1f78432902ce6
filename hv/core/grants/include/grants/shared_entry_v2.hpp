/// One entry of a v2 grant table, in a page that the guest writes at any moment, and its *status*, which lies in a page
/// of its own (GNTTABOP_get_status_frames).
///
///      31       16 15                 0
///     +-----------+--------------------+
///     |   domid   | flags              |  +0
///     | length    | page_off           |  +4   a part of a page (GTF_sub_page); or the domid that a transitive grant names
///     | frame, 64 bits                 |  +8   a transitive grant: the reference
///     +-----------+--------------------+
///
/// The hypervisor sets its marks in the status first and looks at the entry again; the guest clears the entry first and
/// looks at the status then. So one of the two sees the other, and no compare-and-exchange is needed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "grants/access.hpp"
#include "grants/status.hpp"

namespace grants {

/// `grant_status_t`: GTF_reading, GTF_writing of one entry.
class EntryStatus {
  public:
    /// Answers those of @p marks that were set already.
    std::uint16_t set(std::uint16_t marks) { return word_.fetch_or(marks) & marks; }
    void clear(std::uint16_t marks) { word_.fetch_and(static_cast<std::uint16_t>(~marks)); }
    /// Clears GTF_writing, and GTF_reading too if @p reading_too.
    void release(bool reading_too);
    [[nodiscard]] std::uint16_t marks() const { return word_.load() & (GTF_reading | GTF_writing); }

  private:
    std::atomic<std::uint16_t> word_;
};
static_assert(sizeof(EntryStatus) == sizeof(grant_status_t));

class SharedEntryV2 {
  public:
    /// Marks @p status, if the entry permits @p mapper that access for that purpose then; what the entry grants.
    /// Only whole pages can be mapped.
    ///   general_error   it does not
    [[nodiscard]] Result<Granted> claim(EntryStatus& status, base::DomId mapper, Access access, Purpose purpose) const;

    /// The entry as one of version 1 with the marks of @p status; an unused one if version 1 has no such.
    [[nodiscard]] grant_entry_v1 as_v1(EntryStatus const& status) const;
    /// Becomes what @p entry is, but for its marks, which the status keeps.
    void become(grant_entry_v1 const& entry);
    /// Changes places with @p other. Neither is in use.
    void swap(SharedEntryV2& other);

  private:
    [[nodiscard]] Granted granted(std::uint32_t head) const;

    std::atomic<std::uint32_t> head_;
    std::atomic<std::uint32_t> part_;
    std::atomic<std::uint64_t> frame_;
};

static_assert(sizeof(SharedEntryV2) == sizeof(grant_entry_v2));
static_assert(offsetof(grant_entry_v2, sub_page.page_off) == 4 && offsetof(grant_entry_v2, sub_page.length) == 6 &&
              offsetof(grant_entry_v2, sub_page.frame) == 8 && offsetof(grant_entry_v2, full_page.frame) == 8 &&
              offsetof(grant_entry_v2, transitive.trans_domid) == 4 && offsetof(grant_entry_v2, transitive.gref) == 8);

} // namespace grants
