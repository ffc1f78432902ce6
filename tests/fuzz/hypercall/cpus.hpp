/// Two CPUs of a fake machine in one thread, as if each were in its guest whenever the other works: one acts, the other
/// comes in by an interrupt when it is asked to.
#pragma once

#include <array>
#include <optional>

#include "base/assert.hpp"
#include "unit/hypercall/hypervisor.hpp"

namespace fuzz {

class Cpus {
  public:
    explicit Cpus(test::Hypervisor& hypervisor) : hypervisor_{hypervisor} {
        system().flush_clock.clock().add_cpu(base::CpuId{1});
        frames_[0] = hypervisor.frame;
    }

    [[nodiscard]] domain::System& system() const { return *hypervisor_.system; }
    /// Who runs here; null: nobody.
    [[nodiscard]] domain::Vcpu* current() const { return system().this_cpu().current.load(); }
    [[nodiscard]] arch::Registers& frame() { return frames_[self_]; }

    /// The guest here comes into the hypervisor by @p vector, and somebody runs here again; false: nobody can.
    bool enter_by(std::uint32_t vector) {
        frame().vector = vector;
        bool const running = at_door([&] { run::handle_exit(system(), frame()); });
        serve_other();
        return running;
    }

    /// From now on the other CPU acts. False if nobody runs there.
    bool change() {
        system().this_cpu().in_guest.store(false); // at the door
        self_ ^= 1U;
        here_.emplace(base::CpuId{self_});
        return come_in();
    }

  private:
    static constexpr std::uint32_t kInterrupt = 0xf0;

    /// False: nothing to run.
    template <typename Work> bool at_door(Work&& work) {
        try {
            work();
            return true;
        } catch (test::Idle const&) {
            return false;
        }
    }
    bool come_in() {
        if (current() != nullptr && !system().this_cpu().in_guest.load()) {
            frame().vector = kInterrupt;
            return at_door([&] { run::handle_exit(system(), frame()); });
        }
        return at_door([&] { run::enter_next(system(), frame()); });
    }
    /// What the other CPU was kicked for.
    void serve_other() {
        if (system().cpus[self_ ^ 1U].requests.load() == 0)
            return;
        static_cast<void>(change());
        static_cast<void>(change());
    }

    test::Hypervisor& hypervisor_;
    std::array<arch::Registers, 2> frames_{};
    std::uint32_t self_ = 0;
    std::optional<arch_fake::OnCpu> here_;
};

} // namespace fuzz
