/// A second domain beside domain 0: translated, without privileges, its one vCPU on CPU 1. Its kernel is a few frames of
/// its own: tables for the first pages of its address space, and data.
#pragma once

#include "domain/lifecycle.hpp"
#include "domain/memory.hpp"
#include "domain/roots.hpp"
#include "domain/running.hpp"
#include "unit/hypercall/hypervisor.hpp"

namespace test {

class SecondDomain {
  public:
    static constexpr std::uint64_t kFrames = 16;
    static constexpr std::uint64_t kFirstPage = 4; ///< frames 0 to 3 are its tables
    /// Where its frame 4 is mapped.
    static constexpr std::uint64_t kScratch = kFirstPage << 12;

    explicit SecondDomain(Hypervisor& hypervisor) : hypervisor_{hypervisor} {
        auto& system = *hypervisor.system;
        domain = domain::create(system, {.id = base::DomId{1}, .vcpus = 1, .max_pages = kFrames}).value();
        ASSERT(domain::add_extent(*domain, base::Pfn{0}, 4, 0).ok());
        for (std::uint64_t level = 4; level > 1; --level)
            words(4 - level)[0] = (5 - level) << 12 | kWritable;
        for (std::uint64_t page = kFirstPage; page < kFrames; ++page)
            words(3)[page] = page << 12 | kWritable;
        ASSERT(domain->paging.pin(4, base::Gfn{0}).ok());
        ASSERT(domain::set_root(vcpu(), arch::Root::kernel, base::Gfn{0}).ok());
        vcpu().initialised = true;
        arch_fake::OnCpu const here{base::CpuId{1}};
        domain::bring_up(vcpu());
        system.flush_clock.clock().add_cpu(base::CpuId{1});
        run::enter_next(system, frame_);
    }
    SecondDomain(SecondDomain const&) = delete;
    SecondDomain& operator=(SecondDomain const&) = delete;
    ~SecondDomain() {
        for (timing::Timer* const timer : {&vcpu().singleshot, &vcpu().periodic, &vcpu().poll_timeout})
            timer->stop();
        domain->watchdogs.stop_all();
    }

    domain::Vcpu& vcpu() { return *domain->vcpus[0]; }
    base::Mfn machine_frame(std::uint64_t gfn) { return domain->gfns.get(base::Gfn{gfn}).value().mfn(); }
    std::uint64_t* words(std::uint64_t gfn) { return arch::frame_as<std::uint64_t>(machine_frame(gfn)); }

    template <typename... Args> std::int64_t call(std::uint64_t number, Args... args) {
        arch_fake::OnCpu const here{base::CpuId{1}};
        set_call(frame_, number, args...);
        frame_.rcx = 0x4002;
        frame_.vector = arch::kSyscallVector;
        hypervisor_.come_out(frame_);
        hypervisor_.system->this_cpu().in_guest = false; // at the door, so that nobody waits for it
        return static_cast<std::int64_t>(frame_.rax);
    }
    /// Its vCPU is paused and off its CPU; go() has it run again.
    void stop() {
        domain::pause(*domain);
        EXPECT_THROW(call(__HYPERVISOR_xen_version, XENVER_version), Idle);
    }
    void go() {
        ASSERT(domain::unpause(*domain).ok());
        enter();
    }
    /// Its CPU looks who is to run.
    void enter() {
        arch_fake::OnCpu const here{base::CpuId{1}};
        run::enter_next(*hypervisor_.system, frame_);
        hypervisor_.system->this_cpu().in_guest = false; // as after call()
    }

    template <typename T> std::uint64_t put(T const& value, std::uint64_t offset = 0) {
        std::memcpy(arch::direct_map(machine_frame(kFirstPage)) + offset, &value, sizeof value);
        return kScratch + offset;
    }
    template <typename T> T get(std::uint64_t offset = 0) {
        T value;
        std::memcpy(&value, arch::direct_map(machine_frame(kFirstPage)) + offset, sizeof value);
        return value;
    }

    domain::Domain* domain = nullptr;

  private:
    static constexpr std::uint64_t kWritable = 0x67;

    Hypervisor& hypervisor_;
    arch::Registers frame_{};
};

} // namespace test
