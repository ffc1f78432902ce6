#include "dom0/dom0.hpp"

#include <algorithm>

#include "arch/cpu.hpp"
#include "build/dom0.hpp"
#include "console/global.hpp"
#include "domain/heap.hpp"
#include "domain/lifecycle.hpp"
#include "domain/m2p.hpp"
#include "domain/running.hpp"
#include "guest/context.hpp"

namespace dom0 {
namespace {

using base::Error;
using base::Gfn;
using base::Mfn;
using base::Pfn;
using domain::Domain;

/// Frames that follow each other in the machine and in the domain.
struct Run {
    Pfn pfn;
    Mfn mfn;
    std::uint64_t count = 0;
};

/// The memory of a new direct domain: its pseudo-physical frames lie in a few long runs of machine frames.
class Dom0Memory {
  public:
    Dom0Memory(Domain& domain, base::FixedVector<Run, 1024>& runs) : domain_{domain}, runs_{runs} {}

    /// Takes @p frames frames; false if there are not so many, or they are too scattered.
    [[nodiscard]] bool take(std::uint64_t frames) {
        unsigned order = mm::kMaxOrder;
        while (frames_ < frames) {
            while (std::uint64_t{1} << order > frames - frames_)
                --order;
            // All of it is dom0's to read: nothing in it was ever another domain's.
            auto const run = domain_.system.allocator.allocate({.owner = domain_.id,
                                                                .order = order,
                                                                .contents = mm::Contents::any,
                                                                .counting = mm::Counting::within_limit});
            if (!run.ok() && order > 0)
                --order;
            else if (!run.ok() || !add(run.value(), std::uint64_t{1} << order))
                return false;
        }
        return true;
    }

    // --- build::BuildTarget ----------------------------------------------------------------------------------------
    [[nodiscard]] Gfn gfn_of(Pfn pfn) { return Gfn{mfn_of(pfn).raw()}; }
    [[nodiscard]] std::byte* page(Pfn pfn) { return arch::direct_map(mfn_of(pfn)); }
    void set_m2p(Gfn gfn, Pfn pfn) { domain::set_m2p(Mfn{gfn.raw()}, pfn); }

  private:
    [[nodiscard]] bool add(Mfn first, std::uint64_t count) {
        auto& table = domain_.system.frames;
        for (std::uint64_t i = 0; i < count; ++i)
            if (!domain_.gfns.set(Gfn{(first + i).raw()}, mm::FrameRef::adopt(table, first + i)).ok())
                return false;
        Pfn const pfn{frames_};
        frames_ += count;
        if (!runs_.empty() && runs_.back().mfn + runs_.back().count == first) {
            runs_.back().count += count;
            return true;
        }
        return runs_.push_back({.pfn = pfn, .mfn = first, .count = count});
    }

    [[nodiscard]] Mfn mfn_of(Pfn pfn) const {
        auto const* const after = std::upper_bound(runs_.begin(), runs_.end(), pfn,
                                                   [](Pfn wanted, Run const& run) { return wanted < run.pfn; });
        ASSERT(after != runs_.begin());
        return after[-1].mfn + (pfn - after[-1].pfn);
    }

    Domain& domain_;
    std::uint64_t frames_ = 0;
    base::FixedVector<Run, 1024>& runs_;
};

/// Some free memory stays, whatever dom0_mem= says: tables grow.
constexpr std::uint64_t kReserve = 1024;

build::Expected<Domain*> create(domain::System& system, Request const& request,
                                boot::Dom0Memory::Frames const& frames) {
    auto const made = domain::create(system, {.id = base::DomId{0},
                                              .privileged = true,
                                              .translation = mm::Translation::direct,
                                              .vcpus = request.vcpus,
                                              .max_pages = frames.maximum});
    if (!made)
        return build::refuse(made.error(), "too little memory for domain 0's own tables");
    return made.value();
}

/// Runs @p operation until it is through: nobody waits for the CPU yet.
template <typename Operation> base::Status complete(Operation&& operation) {
    for (;;) {
        base::Status const status = operation();
        if (status || status.error() != Error::preempted)
            return status;
    }
}

} // namespace

build::Expected<Domain*> make(domain::System& system, Request const& request) {
    auto const kernel = TRY(build::open_kernel(request.kernel));

    // The floor of the shadows comes out of the same memory.
    auto const free = system.allocator.statistics().free;
    auto const kept = domain::ShadowPool::floor_for(free) + kReserve;
    if (free <= kept)
        return build::refuse(Error::no_memory, "too little memory for domain 0");
    auto const frames = request.memory.frames_of(free - kept);
    Domain& made = *TRY(create(system, request, frames));

    static constinit base::FixedVector<Run, 1024> runs; // too big for a CPU's stack; used once
    runs.clear();
    Dom0Memory memory{made, runs};
    if (!memory.take(frames.initial))
        return build::refuse(Error::no_memory, "too little memory for domain 0: ask for less with dom0_mem=");

    auto const state = TRY(build::build_dom0(memory, {.kernel = kernel,
                                                      .nr_pages = frames.initial,
                                                      .initrd = request.initrd,
                                                      .command_line = request.command_line,
                                                      .more_arguments = request.more_arguments,
                                                      .shared_info = address_of(Gfn{made.shared_frame.raw()}),
                                                      .console = request.console}));
    console::info("dom0: {} MiB in {} runs, {} vCPUs, kernel at {}", frames.initial >> 8, runs.size(),
                  made.vcpus.size(), state.layout.address_of(state.layout.kernel.first));

    auto const context = domain::make_scratch<vcpu_guest_context_t>(system);
    if (!context)
        return build::refuse(context.error(), "too little memory for domain 0's first state");
    build::fill_context(state, *context.value());
    domain::Vcpu& vcpu = *made.vcpus[0];
    if (!complete([&] { return made.paging.pin(4, state.l4); }))
        return build::refuse("the first page tables of domain 0 are refused");
    if (!complete([&] { return guest::set_context(vcpu, *context.value()); }))
        return build::refuse("the first state of domain 0 is refused");
    domain::bring_up(vcpu);
    return &made;
}

} // namespace dom0
