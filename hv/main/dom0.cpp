/// Domain 0: its memory, its kernel, its first vCPU.
#include <algorithm>
#include <span>

#include "arch/cpu.hpp"
#include "build/console_info.hpp"
#include "build/dom0.hpp"
#include "console/global.hpp"
#include "domain/domain.hpp"
#include "domain/heap.hpp"
#include "domain/lifecycle.hpp"
#include "domain/m2p.hpp"
#include "domain/running.hpp"
#include "guest/context.hpp"
#include "hypervisor.hpp"
#include "panic.hpp"

namespace {

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

base::Bytes bytes_of(boot::Module const& module) {
    return {reinterpret_cast<std::byte const*>(arch::direct_map(frame_of(module.start))) + module.start.offset(),
            module.end - module.start};
}

/// GRUB puts the file's name before its arguments; some say it is the first word.
std::string_view arguments_of(std::string_view command_line) {
    auto const blank = command_line.find(' ');
    if (command_line.empty() || command_line.front() != '/')
        return command_line;
    return blank == std::string_view::npos ? std::string_view{} : command_line.substr(blank + 1);
}

Domain& create_dom0(Machine const& machine, boot::Dom0Memory::Frames const& frames) {
    auto const vcpus = machine.command_line.options.dom0_vcpus.count_of(arch::online_cpus());
    auto const made = domain::create(the_system(), {.id = base::DomId{0},
                                                    .privileged = true,
                                                    .translation = mm::Translation::direct,
                                                    .vcpus = vcpus,
                                                    .max_pages = frames.maximum});
    if (!made.ok())
        panic("too little memory for domain 0's own tables");
    return *made.value();
}

template <typename Operation> void complete(Operation&& operation, std::string_view complaint) {
    for (;;) {
        base::Status const status = operation();
        if (status.ok())
            return;
        if (status.error() != base::Error::preempted)
            panic(complaint);
    }
}

void give_back_modules(Machine const& machine) {
    for (auto const& module : machine.info.modules) {
        auto const frames = boot::frames_around(module.start, module.end);
        the_system().allocator.add_memory(frames.first, frames.count());
    }
}

} // namespace

void make_dom0(Machine& machine) {
    auto const& modules = machine.info.modules;
    if (modules.empty())
        panic("no kernel for domain 0: give it in the boot loader's configuration, as the first module2");
    auto const kernel = build::open_kernel(bytes_of(modules[0]));
    if (!kernel.ok())
        panic(kernel.error().reason);

    auto& system = the_system();
    auto const free = system.allocator.statistics().free;
    // The shadows' floor comes first: about 3 % of what the domain may have.
    auto const available = free - domain::ShadowPool::floor_for(free) - 1024;
    auto const frames = machine.command_line.options.dom0_memory.frames_of(available);
    Domain& dom0 = create_dom0(machine, frames);

    static constinit base::FixedVector<Run, 1024> runs; // too big for the stack
    Dom0Memory memory{dom0, runs};
    if (!memory.take(frames.initial))
        panic("too little memory for domain 0: ask for less with dom0_mem=");

    build::Dom0Request request{.kernel = kernel.value(),
                               .nr_pages = frames.initial,
                               .initrd = modules.size() > 1 ? bytes_of(modules[1]) : base::Bytes{},
                               .command_line = arguments_of(modules[0].command_line),
                               .more_arguments = machine.command_line.guest,
                               .shared_info = base::Gaddr{dom0.shared_frame.raw() << base::kPageShift}};
    if (machine.info.framebuffer)
        request.console = build::console_info_of(*machine.info.framebuffer);
    auto const built = build::build_dom0(memory, request);
    if (!built.ok())
        panic(built.error().reason);
    auto const& state = built.value();
    console::info("dom0: {} MiB in {} runs, {} vCPUs, kernel at {}", frames.initial >> 8, runs.size(),
                  dom0.vcpus.size(), state.layout.address_of(state.layout.kernel.first));

    auto const context = domain::make_scratch<vcpu_guest_context_t>(system);
    if (!context.ok())
        panic("too little memory for domain 0's context");
    build::fill_context(state, *context.value());
    domain::Vcpu& vcpu = *dom0.vcpus[0];
    complete([&] { return dom0.paging.pin(4, state.l4); }, "the first page tables of domain 0 are refused");
    complete([&] { return guest::set_context(vcpu, *context.value()); }, "the first state of domain 0 is refused");
    give_back_modules(machine);
    domain::bring_up(vcpu);
}
