/// The whole hypervisor on the build machine: domain 0 built from a small kernel, its first vCPU "running" on the fake
/// machine's CPU 0. A test is the guest: it makes hypercalls, and looks at its memory by virtual addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "arch_fake/machine.hpp"
#include "dom0/dom0.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/lifecycle.hpp"
#include "run/run.hpp"
#include "unit/build/kernel_file.hpp"

namespace test {

/// Thrown when the CPU has nothing to run: in a test nothing would ever wake it.
struct Idle {};

/// How big a machine, and what domain 0 has of it.
struct Shape {
    std::uint64_t frames = 8192; ///< 32 MiB
    std::string_view dom0_memory = "12M";
    std::uint32_t vcpus = 2;
};

/// The registers of a guest that makes hypercall @p number.
template <typename... Args> void set_call(arch::Registers& frame, std::uint64_t number, Args... args) {
    std::uint64_t const words[6] = {static_cast<std::uint64_t>(args)...};
    frame.rax = number;
    frame.rdi = words[0];
    frame.rsi = words[1];
    frame.rdx = words[2];
    frame.r10 = words[3];
    frame.r8 = words[4];
    frame.r9 = words[5];
}

class Hypervisor {
  public:
    static constexpr std::uint64_t kVirtBase = 0xffffffff80000000;
    /// A page of the kernel's image that tests may use as they like.
    static constexpr std::uint64_t kScratch = kVirtBase + 0x102000;

    explicit Hypervisor(Shape const& shape = {}) : machine{{.frames = shape.frames, .cpus = 2}}, infos_(shape.frames) {
        machine.on_wait = [] { throw Idle{}; };
        system = std::make_unique<domain::System>(std::span{infos_});
        system->clock = timing::SystemClock{machine.tsc, machine.tsc_khz};
        ASSERT(system->memory_map.push_back({.address = 0, .size = shape.frames << 12, .type = domain::kE820Ram}));
        system->physical_address_bits = 40;
        system->allocator.add_memory(domain::kFirstMebibyteEnd, shape.frames - domain::kFirstMebibyteEnd.raw());
        auto const kernel = plain_guest(kVirtBase).bytes();
        auto const made = dom0::make(*system, {.kernel = kernel,
                                               .initrd = {},
                                               .command_line = "test",
                                               .more_arguments = {},
                                               .memory = boot::parse_dom0_memory(shape.dom0_memory).value(),
                                               .vcpus = shape.vcpus});
        if (!made)
            throw std::runtime_error{std::string{made.error().reason}};
        dom0 = made.value();
        system->flush_clock.clock().add_cpu(base::CpuId{0});
        system->cpus[1].holds_nothing = true; // it is somewhere else
        run::enter_next(*system, frame);
    }

    /// A System is never destroyed but in tests: what is queued in it must go first.
    ~Hypervisor() {
        for (domain::Vcpu* const one : dom0->vcpus)
            for (timing::Timer* const timer : {&one->singleshot, &one->periodic, &one->poll_timeout})
                timer->stop();
        dom0->watchdogs.stop_all();
    }
    Hypervisor(Hypervisor const&) = delete;
    Hypervisor& operator=(Hypervisor const&) = delete;

    [[nodiscard]] domain::Vcpu& vcpu() { return *dom0->vcpus[0]; }

    /// The guest executes SYSCALL in kernel mode, again and again while the call is continued (or until it has enough).
    template <typename... Args> std::int64_t call(std::uint64_t number, Args... args) {
        set_call(frame, number, args...);
        frame.rcx = frame.rip + 2;
        frame.r11 = 0x202;
        auto const after = frame.rcx;
        for (continued = 0;; ++continued) {
            frame.vector = arch::kSyscallVector;
            come_out(frame);
            if (frame.rip != after - 2 || continued == most_continuations)
                break;
            frame.rcx = after;
        }
        frame.rip = after - 2;
        return static_cast<std::int64_t>(frame.rax);
    }

    /// This CPU's guest comes out, and goes on; where a timer is due by then, its interrupt comes first.
    void come_out(arch::Registers& of_guest) {
        constexpr std::uint32_t kSomeInterrupt = 0xf0;
        run::handle_exit(*system, of_guest);
        auto& timer = machine.this_cpu().timer;
        if (timer > machine.tsc)
            return;
        timer = ~std::uint64_t{0};
        of_guest.vector = kSomeInterrupt;
        run::handle_exit(*system, of_guest);
    }

    /// Writes @p value where the guest sees @p at, and answers @p at: an argument for call().
    template <typename T> std::uint64_t put(std::uint64_t at, T const& value) {
        if (!domain::write_guest(vcpu(), base::Vaddr{at}, value))
            throw std::runtime_error{"the guest has no memory there"};
        return at;
    }
    template <typename T> T get(std::uint64_t at) { return domain::read_guest<T>(vcpu(), base::Vaddr{at}).value(); }

    arch_fake::Machine machine;
    std::unique_ptr<domain::System> system;
    domain::Domain* dom0 = nullptr;
    arch::Registers frame{};
    unsigned continued = 0; ///< how often the last call was
    unsigned most_continuations = ~0U;

  private:
    std::vector<mm::FrameInfo> infos_;
};

} // namespace test
