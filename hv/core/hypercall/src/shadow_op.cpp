// XEN_DOMCTL_shadow_op: a toolstack's view of log-dirty, with Xen's meaning (docs/abi.md §9.4, SP-22, SP-28). Shadows are always
// on here; what this switches is the log. And how many pages they may take (SP-10).

#include <algorithm>
#include <array>

#include "abi/toolstack.hpp"
#include "domain/claim.hpp"
#include "domain/log_dirty.hpp"
#include "domain/preemption.hpp"
#include "hypercall/shadow_op.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;
using Step = domain::LogDirtyProgress::Step;

constexpr std::size_t kPiece = 32; ///< words
constexpr unsigned kBits = logdirty::DirtyLog::kBits;

/// Of word @p index of a bitmap of @p pages: the bits that are asked for.
std::uint64_t wanted(std::uint64_t index, std::uint64_t pages) {
    auto const left = pages - index * kBits;
    return left >= kBits ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
}

/// Copies the log's next words to the caller, if it wants them (@p to is not 0), and takes them if @p clean. What cannot be
/// delivered stays in the log.
base::Status copy_piece(Call& call, Domain& subject, std::uint64_t pages, base::Vaddr to, bool clean) {
    auto& log = subject.log;
    auto& progress = subject.log_dirty;
    auto const words = (pages + kBits - 1) / kBits;
    auto const count = std::min<std::uint64_t>(kPiece, words - progress.next);
    std::array<std::uint64_t, kPiece> piece{};
    std::uint32_t dirty = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const index = progress.next + i;
        auto const mask = wanted(index, pages);
        auto const bits = clean ? log.take(index) : log.peek(index);
        if (clean)
            log.put_back(index, bits & ~mask);
        piece[i] = bits & mask;
        for (auto rest = piece[i]; rest != 0; rest &= rest - 1)
            ++dirty;
    }
    auto const bytes = std::min(count * sizeof(std::uint64_t), (pages + 7) / 8 - progress.next * sizeof(std::uint64_t));
    base::Status const copied =
        to.raw() == 0 ? base::Status{}
                      : domain::copy_to_guest(call.vcpu, call.vcpu.mode, to + progress.next * sizeof(std::uint64_t),
                                              std::as_bytes(std::span{piece}).first(bytes));
    if (!copied.ok()) {
        for (std::uint64_t i = 0; clean && i < count; ++i)
            log.put_back(progress.next + i, piece[i]);
        return copied;
    }
    progress.next += count;
    progress.dirty += dirty;
    return {};
}

/// CLEAN and PEEK. Without a bitmap only the count is told, and as on Xen CLEAN cleans all the same.
Answer tell(Call& call, Domain& subject, xen_domctl_t& op, bool clean) {
    auto& request = op.u.shadow_op;
    auto& progress = subject.log_dirty;
    auto const pages = std::min<std::uint64_t>(request.pages, subject.gfns.limit().raw());
    if (!subject.log.on())
        return Err{Error::invalid};
    if (progress.step != Step::copying) {
        TRY(domain::collect_dirty(subject));
        progress.step = Step::copying;
        progress.next = 0;
        progress.dirty = 0;
    }
    auto const to = address_of(request.dirty_bitmap);
    while (progress.next * kBits < pages) {
        auto const copied = copy_piece(call, subject, pages, to, clean);
        if (!copied.ok()) {
            progress.step = Step::idle;
            return Err{copied.error()};
        }
        if (domain::slice_is_over(subject.system))
            return Err{Error::preempted};
    }
    progress.step = Step::idle;
    domain::settle_dirty(subject);
    request.pages = pages;
    request.stats = {.fault_count = 0, .dirty_count = progress.dirty};
    TRY(call.write(0, op));
    return 0;
}

} // namespace

Answer shadow_op(Call& call, Domain& subject, xen_domctl_t& op) {
    if (&subject == &call.domain())
        return Err{Error::invalid};
    domain::Claim const claim{subject.log_dirty.busy};
    if (!claim)
        return Err{Error::preempted};
    auto& request = op.u.shadow_op;
    switch (request.op) {
    case XEN_DOMCTL_SHADOW_OP_OFF: domain::stop_log_dirty(subject); return 0;
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
        if (request.mode != XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY)
            return Err{Error::invalid};
        [[fallthrough]];
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY: TRY(domain::start_log_dirty(subject)); return 0;
    case XEN_DOMCTL_SHADOW_OP_CLEAN: return tell(call, subject, op, true);
    case XEN_DOMCTL_SHADOW_OP_PEEK: return tell(call, subject, op, false);
    default: return Err{Error::not_supported}; // sizes of a pool that is not Xen's, and modes that PV guests have not
    }
}

Answer get_shadow_pool(Call& call, Domain& subject, xen_domctl_t& op) {
    op.u.paging_mempool.size = subject.host.pool().size().limit << base::kPageShift;
    TRY(call.write(0, op));
    return 0;
}

Answer set_shadow_pool(Domain& subject, xen_domctl_t const& op) {
    auto const size = op.u.paging_mempool.size;
    auto const pages = size >> base::kPageShift;
    if (size % base::kPageSize != 0 || pages < domain::ShadowPool::least_for(subject.vcpus.size()))
        return Err{Error::invalid};
    subject.host.pool().set_limit(pages);
    auto const shed = subject.paging.shed(pages);
    if (!shed.ok() && shed.error() == Error::preempted)
        return Err{Error::preempted};
    return 0; // what must stay, stays
}

} // namespace hypercall
