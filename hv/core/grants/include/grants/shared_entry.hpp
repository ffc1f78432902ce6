/// One entry of a v1 grant table, in a page that the guest writes at any moment.
///
///      31       16 15          8 7   5  4  3  2  1 0
///     +-----------+-------------+-----+---+--+--+----+
///     |   domid   |             |cache| W |R |RO|type|     first word; the second is the frame
///     +-----------+-------------+-----+---+--+--+----+
///
/// W (writing) and R (reading) are the hypervisor's: set by compare-and-exchange of the whole word while the entry says
/// what was checked, so that the guest can end an access only while they are clear. Everything is read once (SP-7).
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "grants/access.hpp"
#include "grants/status.hpp"

namespace grants {

class SharedEntry {
  public:
    /// How often a changing entry is tried before the guest gets an error: only a guest that scribbles sees it.
    static constexpr int kAttempts = 5;

    explicit SharedEntry(grant_entry_v1& entry) : entry_{entry} {}

    /// Sets R, and W for writing, if the entry permits @p mapper that access at this moment.
    ///   general_error   it does not, or will not hold still
    [[nodiscard]] Status claim(base::DomId mapper, Access access);
    /// Clears W, and R too if @p reading_too: what was read or written before is visible to who sees it clear.
    void release(bool reading_too);
    /// The frame, as it reads now.
    [[nodiscard]] base::Gfn frame() const;

    /// Permits @p mapper to write @p frame: the domain builder's seeding of entries 0 and 1.
    void permit(base::DomId mapper, base::Gfn frame);
    /// flags and domid as one word.
    [[nodiscard]] std::uint32_t word() const;

  private:
    grant_entry_v1& entry_;
};

} // namespace grants
