#include "grants/shared_entry.hpp"

namespace grants {

using base::Err;

namespace {

constexpr std::uint32_t word_of(std::uint32_t flags, base::DomId domain) {
    return flags | std::uint32_t{domain.raw()} << 16;
}

bool permits(std::uint32_t word, base::DomId mapper, Access access) {
    bool const to_mapper = (word & word_of(GTF_type_mask, base::DomId{0xffff})) == word_of(GTF_permit_access, mapper);
    return to_mapper && (access == Access::read || (word & GTF_readonly) == 0);
}

} // namespace

Status SharedEntry::claim(base::DomId mapper, Access access) {
    std::uint32_t const marks = GTF_reading | (access == Access::write ? GTF_writing : 0);
    auto seen = head_.load(std::memory_order_relaxed);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        if (!permits(seen, mapper, access))
            return Err{Fault::general_error};
        // Acquire meets the barrier by which the guest writes the frame before the flags.
        if (head_.compare_exchange_strong(seen, seen | marks, std::memory_order_acq_rel))
            return {};
    }
    return Err{Fault::general_error};
}

void SharedEntry::release(bool reading_too) {
    std::uint32_t const marks = GTF_writing | (reading_too ? GTF_reading : 0);
    head_.fetch_and(~marks, std::memory_order_acq_rel);
}

void SharedEntry::permit(base::DomId mapper, base::Gfn frame) {
    become({.flags = GTF_permit_access, .domid = mapper.raw(), .frame = static_cast<std::uint32_t>(frame.raw())});
}

grant_entry_v1 SharedEntry::value() const {
    auto const word = head_.load(std::memory_order_acquire);
    return {.flags = static_cast<std::uint16_t>(word),
            .domid = static_cast<domid_t>(word >> 16),
            .frame = frame_.load(std::memory_order_relaxed)};
}

void SharedEntry::become(grant_entry_v1 const& entry) {
    frame_.store(entry.frame, std::memory_order_relaxed);
    head_.store(word_of(entry.flags, base::DomId{entry.domid}), std::memory_order_release);
}

} // namespace grants
