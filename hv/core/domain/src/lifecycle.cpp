#include "domain/lifecycle.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "domain/areas.hpp"
#include "domain/notice.hpp"
#include "domain/running.hpp"
#include "domain/special_gfns.hpp"
#include "domain/timers.hpp"
#include "domain/trace.hpp"
#include "timing/wall_clock.hpp"

namespace domain {
namespace {

using base::Err;
using base::Error;
using base::Result;
using base::Status;

/// Events are masked on every vCPU until the guest has a callback for them, and every port is masked until it asks
/// (docs/abi.md §0.3, §8.1).
void init_shared_info(shared_info_t& shared) {
    for (auto& info : shared.vcpu_info)
        info.evtchn_upcall_mask = 1;
}

void drop(System& system, Vcpu* vcpu) {
    if (vcpu == nullptr)
        return;
    static_cast<void>(system.scheduler.reserve(vcpu->entity, {}, system.now())); // it is off: nobody is to be kicked
    if (vcpu->saved.extended_state != nullptr)
        system.heap.free(vcpu->saved.extended_state, arch::extended_state_size());
    system.heap.destroy(vcpu);
}

/// Any of them may be missing.
void give_back(System& system, Domain* domain, std::span<Vcpu*> vcpus, std::span<events::Target> targets,
               std::span<events::Channel> channels, base::Mfn shared) {
    for (Vcpu* const vcpu : vcpus)
        drop(system, vcpu);
    if (domain != nullptr) {
        for (logdirty::Pages* pages = domain->log.memory(); pages != nullptr;) {
            auto const memory = std::as_writable_bytes(pages->memory());
            system.heap.free(memory.data(), memory.size());
            system.heap.destroy(std::exchange(pages, pages->smaller));
        }
        system.heap.destroy(domain);
    }
    if (vcpus.data() != nullptr)
        system.heap.destroy_array(vcpus);
    if (targets.data() != nullptr)
        system.heap.destroy_array(targets);
    if (channels.data() != nullptr)
        system.heap.destroy_array(channels);
    if (shared.valid())
        system.frames.drop_reference(shared);
}

/// What a domain is made of, taken piece by piece; what is not handed over at the end is given back.
class Parts {
  public:
    Parts(System& system, CreateRequest const& request) : system_{system}, request_{request} {}
    Parts(Parts const&) = delete;
    Parts& operator=(Parts const&) = delete;
    ~Parts() {
        if (!complete_)
            give_back(system_, domain_, vcpus_, targets_, channels_, shared_);
    }

    Result<Domain*> assemble() {
        TRY(make_domain());
        static_cast<void>(TRY(number_special(*domain_, shared_, kSharedInfoGfn)));
        set_shadow_limit(*domain_, request_.max_pages);
        auto& pool = domain_->host.pool();
        TRY(pool.fill(std::min(ShadowPool::floor_for(request_.max_pages), pool.size().limit)));
        for (std::uint32_t i = 0; i < request_.vcpus; ++i)
            TRY(make_vcpu(i));
        complete_ = true;
        return domain_;
    }

  private:
    Status make_domain() {
        auto& heap = system_.heap;
        shared_ = TRY(system_.allocator.allocate_frame(mm::Request::special(request_.id))).release();
        init_shared_info(*arch::frame_as<shared_info_t>(shared_));
        channels_ = TRY(heap.make_array<events::Channel>(request_.channels));
        targets_ = TRY(heap.make_array<events::Target>(request_.vcpus));
        vcpus_ = TRY(heap.make_array<Vcpu*>(request_.vcpus));
        domain_ = TRY(heap.make<Domain>(system_, request_.id, request_.privileged, request_.translation, vcpus_,
                                        channels_, targets_, shared_, request_.grants));
        return {};
    }

    Status make_vcpu(std::uint32_t index) {
        auto& heap = system_.heap;
        Vcpu* const vcpu = TRY(heap.make<Vcpu>(*domain_, base::VcpuId{index}, targets_[index]));
        vcpus_[index] = vcpu;
        vcpu->saved.extended_state = TRY(heap.allocate(arch::extended_state_size()));
        arch::init_extended_state(vcpu->saved.extended_state);
        if (index < std::size(domain_->shared.vcpu_info))
            vcpu->target.info.store(&domain_->shared.vcpu_info[index], std::memory_order_release);
        bind_timers(*vcpu);
        system_.scheduler.add(vcpu->entity, base::CpuId{index % arch::online_cpus()}, &domain_->budget);
        write_time(*vcpu);
        return {};
    }

    System& system_;
    CreateRequest const& request_;
    base::Mfn shared_;
    std::span<events::Channel> channels_;
    std::span<events::Target> targets_;
    std::span<Vcpu*> vcpus_;
    Domain* domain_ = nullptr;
    bool complete_ = false;
};

/// As the domain has it: it may live in another zone, and its system time may have begun at another time than the host's.
void publish_wall_clock(Domain& domain, timing::WallTime at_boot) {
    auto own = timing::shifted(at_boot, -static_cast<std::int64_t>(domain.clock_offset.load()));
    own.seconds += static_cast<std::uint64_t>(domain.time_offset.load(std::memory_order_relaxed));
    timing::publish(domain.shared, own);
}

} // namespace

void set_shadow_limit(Domain& domain, std::uint64_t memory) {
    auto const chosen = domain.system.shadow_limit;
    auto const limit = chosen != 0 ? chosen : ShadowPool::limit_for(memory);
    domain.host.pool().set_limit(std::max(limit, ShadowPool::least_for(domain.vcpus.size())));
}

Result<Domain*> create(System& system, CreateRequest const& request) {
    if (request.id.raw() >= kMaxDomains || request.vcpus == 0 || request.vcpus > base::kMaxCpus ||
        request.channels == 0 || request.channels > events::kPorts)
        return Err{Error::invalid};
    // Others may still have frames of one that is gone: they count as its own until they let go.
    auto& quota = system.quotas[request.id.raw()];
    if (system.find_even_dying(request.id) != nullptr || quota.total() != 0)
        return Err{Error::exists};
    quota.set_limit(request.max_pages);
    Parts parts{system, request};
    Domain* const made = TRY(parts.assemble());
    system.wall_time_at_boot.with([&](timing::WallTime const& time) {
        publish_wall_clock(*made, time);
        system.domains[request.id.raw()].store(made, std::memory_order_release);
    });
    return made;
}

void destroy(Domain& domain) {
    give_back(domain.system, &domain, domain.vcpus, domain.targets, domain.channels, domain.shared_frame);
}

void set_wall_clock(System& system, timing::WallTime at_boot) {
    system.wall_time_at_boot.with([&](timing::WallTime& time) {
        time = at_boot;
        for (auto& slot : system.domains)
            if (Domain* const domain = slot.load(std::memory_order_acquire); domain != nullptr)
                publish_wall_clock(*domain, at_boot);
    });
}

void tell_wall_clock(Domain& domain) {
    domain.system.wall_time_at_boot.with([&](timing::WallTime const& time) { publish_wall_clock(domain, time); });
}

namespace {

void stop_all_vcpus(Domain& domain) {
    auto& system = domain.system;
    for (Vcpu* const vcpu : domain.vcpus)
        perform(system, system.scheduler.pause(vcpu->entity, system.now()));
}

void let_all_vcpus_go(Domain& domain) {
    auto& system = domain.system;
    domain.stamps.set_going();
    for (Vcpu* const vcpu : domain.vcpus)
        perform(system, system.scheduler.resume(vcpu->entity, system.now()));
}

/// False: nobody waits for it to suspend itself.
bool tell_who_waits(Domain& domain) {
    base::Port const port{domain.suspend_port.exchange(0)};
    Domain* const dom0 = domain.system.find(base::DomId{0});
    if (port.raw() == 0 || dom0 == nullptr)
        return false;
    auto const notice = dom0->events.raise_waiting(port, domain.id);
    if (!notice.ok())
        return false;
    deliver(notice.value());
    return true;
}

} // namespace

void tell_of_end(System& system) {
    if (Domain* const dom0 = system.find(base::DomId{0}))
        deliver(dom0->events.raise_virq(VIRQ_DOM_EXC));
}

void shut_down(Domain& domain, std::uint32_t reason) {
    if (domain.shut_down.exchange(true))
        return;
    auto none = ~0U;
    if (!domain.shutdown_code.compare_exchange_strong(none, reason))
        reason = none; // it was said before
    console::info("{} has shut down, reason {}", domain.id, reason);
    if (domain.privileged) {
        switch (reason) {
        case SHUTDOWN_poweroff: arch::power_off();
        case SHUTDOWN_crash: arch::dom0_crashed();
        default: arch::reboot();
        }
    }
    domain.stamps.shut_down = domain.system.now();
    stop_all_vcpus(domain);
    if (reason != SHUTDOWN_suspend || !tell_who_waits(domain))
        tell_of_end(domain.system);
}

void resume(Domain& domain) {
    if (!domain.shut_down.exchange(false))
        return;
    domain.shutdown_code = ~0U;
    let_all_vcpus_go(domain);
}

void pause(Domain& domain) {
    if (domain.pauses.fetch_add(1, std::memory_order_seq_cst) != 0)
        return;
    domain.stamps.paused = domain.system.now();
    stop_all_vcpus(domain);
}

Status unpause(Domain& domain) {
    auto pauses = domain.pauses.load(std::memory_order_seq_cst);
    do {
        if (pauses == 0)
            return Err{Error::invalid};
    } while (!domain.pauses.compare_exchange_weak(pauses, pauses - 1, std::memory_order_seq_cst));
    if (pauses == 1)
        let_all_vcpus_go(domain);
    return {};
}

void crash(Domain& domain, std::string_view why, arch::Registers const& live) {
    console::error("{} crashed: {}", domain.id, why);
    // The serial line is slow, and a CPU that writes to it does nothing else: of any but domain 0, a little must do.
    if (domain.privileged)
        dump_trace(domain.system);
    Vcpu const* const here = domain.system.this_cpu().current.load();
    for (Vcpu* const vcpu : domain.vcpus)
        if (domain.privileged || vcpu == here)
            dump_vcpu(*vcpu, vcpu == here ? &live : nullptr);
    shut_down(domain, SHUTDOWN_crash);
}

} // namespace domain
