#include "grants/shared_entry.hpp"

#include <atomic>
#include <cstddef>

namespace grants {

using base::Err;

namespace {

/// The guest's CPUs and ours meet in these words, so they are atomics for us as well.
static_assert(offsetof(grant_entry_v1, flags) == 0 && offsetof(grant_entry_v1, domid) == 2);
static_assert(offsetof(grant_entry_v1, frame) == 4 && sizeof(grant_entry_v1) == 8);

std::atomic_ref<std::uint32_t> first_word(grant_entry_v1& entry) {
    return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(&entry.flags)};
}

std::atomic_ref<std::uint32_t> second_word(grant_entry_v1& entry) { return std::atomic_ref{entry.frame}; }

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
    auto const word = first_word(entry_);
    auto seen = word.load(std::memory_order_relaxed);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        if (!permits(seen, mapper, access))
            return Err{Fault::general_error};
        // Acquire meets the barrier by which the guest writes the frame before the flags.
        if (word.compare_exchange_strong(seen, seen | marks, std::memory_order_acq_rel))
            return {};
    }
    return Err{Fault::general_error};
}

void SharedEntry::release(bool reading_too) {
    std::uint32_t const marks = GTF_writing | (reading_too ? GTF_reading : 0);
    first_word(entry_).fetch_and(~marks, std::memory_order_acq_rel);
}

base::Gfn SharedEntry::frame() const { return base::Gfn{second_word(entry_).load(std::memory_order_relaxed)}; }

void SharedEntry::permit(base::DomId mapper, base::Gfn frame) {
    second_word(entry_).store(static_cast<std::uint32_t>(frame.raw()), std::memory_order_relaxed);
    first_word(entry_).store(word_of(GTF_permit_access, mapper), std::memory_order_release);
}

std::uint32_t SharedEntry::word() const { return first_word(entry_).load(std::memory_order_relaxed); }

} // namespace grants
