#include "hypervisor/dirty_log.hpp"

#include <bit>
#include <cerrno>
#include <utility>

namespace hypervisor {
namespace {

constexpr std::uint64_t kBits = 64;

std::uint64_t pages_for(std::uint64_t frames) { return (frames / 8 + kPageSize) / kPageSize; }

} // namespace

Result<DirtyLog> DirtyLog::start(Toolstack const& tools, std::uint32_t domain) {
    DirtyLog log{tools, domain};
    log.bitmap_.ubuf = reinterpret_cast<void*>(-1L); // DECLARE_HYPERCALL_BUFFER, which is no C++
    TRY(log.fit());
    if (xc_shadow_control(log.control_, domain, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, nullptr, 0) != 0)
        return fail_errno("what domain " + std::to_string(domain) + " writes cannot be tracked", Kind::precondition,
                          "is it being saved or moved already?");
    log.tracking_ = true;
    return log;
}

DirtyLog::DirtyLog(DirtyLog&& other) noexcept
    : control_{other.control_},
      domain_{other.domain_},
      frames_{std::exchange(other.frames_, 0)},
      bitmap_{other.bitmap_},
      tracking_{std::exchange(other.tracking_, false)} {}

DirtyLog::~DirtyLog() {
    if (tracking_)
        xc_shadow_control(control_, domain_, XEN_DOMCTL_SHADOW_OP_OFF, nullptr, 0);
    if (frames_ != 0)
        xc__hypercall_buffer_free_pages(control_, &bitmap_, static_cast<int>(pages_for(frames_)));
}

/// Has room for a bit of each of the domain's frames.
Result<void> DirtyLog::fit() {
    xen_pfn_t last = 0;
    if (xc_domain_maximum_gpfn(control_, domain_, &last) < 0)
        return fail_errno("domain " + std::to_string(domain_) + " is gone");
    if (last < frames_)
        return {};
    if (frames_ != 0)
        xc__hypercall_buffer_free_pages(control_, &bitmap_, static_cast<int>(pages_for(frames_)));
    frames_ = 0;
    if (xc__hypercall_buffer_alloc_pages(control_, &bitmap_, static_cast<int>(pages_for(last + 1))) == nullptr)
        return fail_errno("no memory for the map of what the domain writes");
    frames_ = last + 1;
    return {};
}

Result<std::vector<std::uint64_t>> DirtyLog::take() {
    TRY(fit());
    xc_shadow_op_stats_t stats{};
    if (xc_logdirty_control(control_, domain_, XEN_DOMCTL_SHADOW_OP_CLEAN, &bitmap_, frames_, 0, &stats) < 0)
        return fail_errno("what domain " + std::to_string(domain_) + " has written is not told");
    auto const* const words = static_cast<std::uint64_t const*>(bitmap_.hbuf);
    std::vector<std::uint64_t> written;
    written.reserve(stats.dirty_count);
    for (std::uint64_t word = 0; word < (frames_ + kBits - 1) / kBits; ++word)
        for (auto rest = words[word]; rest != 0; rest &= rest - 1)
            written.push_back(word * kBits + static_cast<unsigned>(std::countr_zero(rest)));
    return written;
}

} // namespace hypervisor
