#include "domain/memory.hpp"

#include <array>
#include <utility>

#include "domain/guest_memory.hpp"
#include "domain/heap.hpp"
#include "domain/m2p.hpp"
#include "domain/system.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;
using base::Pfn;
using base::Result;
using base::Status;
using mm::FrameRef;

unsigned limit_bits(unsigned address_bits) { return address_bits == 0 ? 64 : address_bits; }

/// The domain's number for @p mfn once it is its @p pfn.
Gfn number_of(Domain const& domain, Mfn mfn, Pfn pfn) { return Gfn{domain.translated() ? pfn.raw() : mfn.raw()}; }

Status insert(Domain& domain, FrameRef frame, Pfn pfn) {
    Mfn const mfn = frame.mfn();
    auto const number = number_of(domain, mfn, pfn);
    TRY(domain.gfns.set(number, std::move(frame)));
    domain.log.mark(number); // what was there before is zero now
    if (!domain.translated())
        set_m2p(mfn, pfn);
    return {};
}

Status give_up_frame(Domain& domain, Gfn gfn) {
    auto frame = domain.gfns.clear(gfn);
    if (!frame)
        return Err{Error::invalid};
    // What tables hold by this number alone they must find again.
    if (domain.paging.bare_tables() == 0)
        domain.gfns.forget(gfn, frame.value().mfn());
    if (!domain.translated())
        set_m2p(frame.value().mfn(), Pfn{});
    return {};
}

/// Up to 2^kLargestExtentOrder references: too many for a CPU's stack.
struct Frames {
    std::array<FrameRef, std::size_t{1} << kLargestExtentOrder> held;
    std::array<Gfn, std::size_t{1} << kLargestExtentOrder> gfns{};
};

/// Takes the frames that the chunk gives out of the domain; those already taken go back if one cannot be had.
Status take_out(Vcpu& caller, Domain& domain, ExchangeChunk const& chunk, Frames& frames) {
    GuestArray<std::uint64_t> const in{caller, chunk.in};
    std::size_t const count = std::size_t{1} << chunk.order;
    for (std::size_t i = 0; i < count; ++i) {
        if (i % (std::size_t{1} << chunk.in_order) == 0)
            frames.gfns[i] = Gfn{TRY(in.read(i >> chunk.in_order))};
        else
            frames.gfns[i] = frames.gfns[i - 1] + 1;
    }
    auto const put_back = [&](std::size_t end) {
        // Who fills one of these numbers on another vCPU at this moment loses what was there.
        while (end-- > 0)
            static_cast<void>(domain.gfns.set(frames.gfns[end], std::move(frames.held[end])));
        return Err{Error::invalid};
    };
    for (std::size_t i = 0; i < count; ++i) {
        auto taken = domain.gfns.clear(frames.gfns[i]);
        if (!taken)
            return put_back(i);
        frames.held[i] = std::move(taken).value();
        // As Xen: what is mapped, pinned or registered still cannot be exchanged.
        if (frames.held[i].info().references.load(std::memory_order_acquire) != 1)
            return put_back(i + 1);
    }
    return {};
}

} // namespace

mm::Quota& quota(Domain& domain) { return domain.system.allocator.accounts().of(domain.id); }

Status give_up_extent(Domain& domain, Gfn first, unsigned order) {
    std::uint64_t const count = std::uint64_t{1} << order;
    // Undoing a pin may be preempted: before anything is gone.
    for (std::uint64_t i = 0; i < count; ++i)
        if (auto const frame = domain.gfns.get(first + i))
            TRY(domain.paging.relinquish(frame.value().mfn()));
    for (std::uint64_t i = 0; i < count; ++i)
        TRY(give_up_frame(domain, first + i));
    return {};
}

Result<Gfn> add_extent(Domain& domain, Pfn pfn, unsigned order, unsigned address_bits) {
    if (domain.translated() && !pfn.valid())
        pfn = Pfn{domain.gfns.limit().raw()};
    auto const nth = [&](std::uint64_t i) { return pfn.valid() ? pfn + i : pfn; };
    // Its machine-to-phys table says nothing of higher numbers (SP-26).
    if (domain.translated() && (pfn.raw() >= domain.system.frames.size() ||
                                (std::uint64_t{1} << order) > domain.system.frames.size() - pfn.raw()))
        return Err{Error::invalid};
    auto request = mm::Request::ram(domain.id, order);
    request.address_bits = limit_bits(address_bits);
    auto& allocator = domain.system.allocator;
    auto const run = allocator.allocate(request);
    if (!run) // `again`: enough is free as soon as other CPUs have flushed
        return Err{run.error() == Error::again ? Error::preempted : run.error()};
    Mfn const first = run.value();
    std::uint64_t const count = std::uint64_t{1} << order;
    for (std::uint64_t i = 0; i < count; ++i) {
        Status const status = insert(domain, FrameRef::adopt(allocator.table(), first + i), nth(i));
        if (status)
            continue;
        for (std::uint64_t k = i + 1; k < count; ++k)
            allocator.table().drop_reference(first + k);
        for (std::uint64_t k = 0; k < i; ++k)
            static_cast<void>(give_up_frame(domain, number_of(domain, first + k, nth(k))));
        return Err{status.error()};
    }
    return number_of(domain, first, pfn);
}

Status exchange_chunk(Vcpu& caller, Domain& domain, ExchangeChunk const& chunk) {
    auto& allocator = domain.system.allocator;
    GuestArray<std::uint64_t> const out{caller, chunk.out};
    std::size_t const out_extents = std::size_t{1} << (chunk.order - chunk.out_order);
    std::size_t const out_frames = std::size_t{1} << chunk.out_order;
    auto const frames = TRY(make_scratch<Frames>(domain.system));
    auto const fresh = TRY(make_scratch<std::array<Mfn, std::size_t{1} << kLargestExtentOrder>>(domain.system));
    auto const pfns = TRY(make_scratch<std::array<Pfn, std::size_t{1} << kLargestExtentOrder>>(domain.system));

    // All that can fail, first: the numbers, the new frames, the old ones.
    for (std::size_t i = 0; i < out_extents; ++i)
        (*pfns)[i] = Pfn{TRY(out.read(i))};
    std::size_t have = 0;
    auto const give_back = [&] {
        while (have > 0)
            allocator.give_back((*fresh)[--have], chunk.out_order);
    };
    Status status{};
    for (; have < out_extents; ++have) {
        auto const run = allocator.allocate({.owner = domain.id,
                                             .order = chunk.out_order,
                                             .address_bits = limit_bits(chunk.address_bits),
                                             .counting = mm::Counting::beyond_limit});
        if (!run) {
            auto const error = run.error() == Error::again ? Error::preempted : run.error();
            give_back();
            return Err{error};
        }
        (*fresh)[have] = run.value();
    }
    if (Status const taken = take_out(caller, domain, chunk, *frames); !taken) {
        give_back();
        return taken;
    }

    // Beyond this point the exchange stands.
    for (std::size_t i = 0; i < std::size_t{1} << chunk.order; ++i) {
        if (!domain.translated())
            set_m2p(frames->held[i].mfn(), Pfn{});
        frames->held[i].reset();
    }
    Status answer{};
    for (std::size_t i = 0; i < out_extents; ++i) {
        Mfn const first = (*fresh)[i];
        Pfn const pfn = (*pfns)[i];
        for (std::size_t k = 0; k < out_frames; ++k)
            static_cast<void>(insert(domain, FrameRef::adopt(allocator.table(), first + k), pfn + k));
        if (Status const written = out.write(i, number_of(domain, first, pfn).raw()); !written)
            answer = written;
    }
    return answer;
}

} // namespace domain
