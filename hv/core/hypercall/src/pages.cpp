// Pages are copied straight between the caller's memory and the frame, a slice at a time; how far that has come stands in the
// caller's own structure, so that a call made again goes on from there (SP-9).

#include "hypercall/pages.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "abi/errno.hpp"
#include "abi/tern.h"
#include "domain/preemption.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Status;
using base::Vaddr;
using domain::Domain;

constexpr std::uint32_t kAtOnce = 16; ///< pages between two looks at the clock

enum class Direction : bool { read, write };

base::Result<mm::FrameRef> memory_of(Domain& subject, Gfn gfn) {
    auto frame = TRY(subject.gfns.get(gfn));
    if (frame.info().special())
        return Err{Error::invalid};
    return frame;
}

std::span<std::byte> bytes_of(mm::FrameRef const& frame) { return {arch::direct_map(frame.mfn()), base::kPageSize}; }

Status read_page(Call& call, Domain& subject, Gfn gfn, Vaddr to) {
    auto const frame = TRY(memory_of(subject, gfn));
    return domain::copy_to_guest(call.vcpu, call.vcpu.mode, to, bytes_of(frame));
}

/// The frame counts as written to for so long, and so becomes no table meanwhile (SP-1); it is marked after the write (SP-21).
Status write_page(Call& call, Domain& subject, Gfn gfn, Vaddr from) {
    auto const frame = TRY(memory_of(subject, gfn));
    auto& state = frame.info().state;
    if (!state.get_writable().ok())
        return Err{Error::busy};
    Status status{};
    if (from.raw() == 0)
        std::memset(bytes_of(frame).data(), 0, base::kPageSize);
    else
        status = domain::copy_from_guest(call.vcpu, call.vcpu.mode, bytes_of(frame), from);
    subject.host.mark_dirty(frame.mfn());
    state.put_writable();
    return status;
}

/// Deals with @p count pages from request.done on, and counts them there. What is wrong with a page is its result; what is wrong
/// with the caller's memory, or with a page if there is nowhere to say so, ends it.
Status pass_pages(Call& call, Domain& subject, tern_pages& request, std::uint32_t count, Direction direction) {
    std::array<std::uint64_t, kAtOnce> gfns{};
    domain::GuestArray<std::uint64_t> const names{call.vcpu, Vaddr{request.gfns}};
    domain::GuestArray<std::int32_t> const results{call.vcpu, Vaddr{request.results}};
    TRY(domain::copy_from_guest(call.vcpu, call.vcpu.mode, std::as_writable_bytes(std::span{gfns}.first(count)),
                                names.at(request.done)));
    for (std::uint32_t i = 0; i < count; ++i) {
        Vaddr const data{request.data == 0 ? 0 : request.data + std::uint64_t{request.done} * base::kPageSize};
        auto const passed = direction == Direction::write ? write_page(call, subject, Gfn{gfns[i]}, data)
                                                          : read_page(call, subject, Gfn{gfns[i]}, data);
        if (!passed.ok() &&
            (results.null() || passed.error() == Error::bad_address || passed.error() == Error::preempted))
            return passed;
        if (!results.null())
            TRY(results.write(request.done,
                              passed.ok() ? 0 : static_cast<std::int32_t>(abi::to_errno(passed.error()))));
        ++request.done;
    }
    return {};
}

Answer pages(Call& call, Direction direction) {
    auto request = TRY(call.read<tern_pages>(1));
    auto* const subject = call.domain().system.find(base::DomId{request.domain});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    if (request.flags != 0 || subject == &call.domain() || !subject->translated())
        return Err{Error::invalid};
    if (direction == Direction::write && subject->pauses.load(std::memory_order_seq_cst) == 0)
        return Err{Error::busy};
    Status status{};
    while (status.ok() && request.done < request.count) {
        status = pass_pages(call, *subject, request, std::min(request.count - request.done, kAtOnce), direction);
        if (status.ok() && request.done < request.count && domain::slice_is_over(subject->system))
            status = Err{Error::preempted};
    }
    TRY(call.write(1, request));
    TRY(status);
    return 0;
}

} // namespace

Answer write_pages(Call& call) { return pages(call, Direction::write); }
Answer read_pages(Call& call) { return pages(call, Direction::read); }

} // namespace hypercall
