/// The fake machine: what the arch:: functions act upon in a hosted test.
///
///     arch_fake::Machine machine{{.frames = 4096, .cpus = 2}};
///     arch_fake::OnCpu const here{base::CpuId{1}};         // this thread is CPU 1, until the end of the scope
///     ...                                                  // the code under test
///     EXPECT_EQ(machine.count(arch_fake::Event::Kind::kick), 1);
///
/// There is one at a time. A thread is CPU 0 until it says otherwise. Several threads may be CPUs at once: the log of
/// events is locked, a CPU's state is that thread's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arch/devices.hpp"
#include "arch_fake/cpu.hpp"
#include "arch_fake/event.hpp"

namespace arch_fake {

struct Config {
    std::uint64_t frames = 4096; ///< of memory; costs nothing until touched
    std::uint32_t cpus = 4;
};

/// A line of the I/O APIC.
struct Line {
    arch::Destination to;
    arch::LineMode mode;
    bool masked = true;
};

/// Thrown by arch::power_off(), arch::reboot() and arch::dom0_crashed().
struct PoweredOff {};
struct Rebooted {};
struct Dom0Crashed {};

class Machine {
  public:
    explicit Machine(Config const& config = {});
    ~Machine();
    Machine(Machine const&) = delete;
    Machine& operator=(Machine const&) = delete;

    /// The one that there is (asserted).
    static Machine& current();

    [[nodiscard]] std::uint64_t frames() const { return config_.frames; }
    [[nodiscard]] Cpu& cpu(base::CpuId id);
    [[nodiscard]] Cpu& this_cpu() { return cpu(arch::this_cpu()); }
    [[nodiscard]] std::uint32_t cpus() const { return config_.cpus; }

    // What happened.
    void record(Event event);
    [[nodiscard]] std::vector<Event> events() const;
    [[nodiscard]] std::size_t count(Event::Kind kind) const;
    void forget_events();

    // Memory.
    [[nodiscard]] std::byte* memory() { return memory_; }
    [[nodiscard]] std::vector<std::uint64_t>& machine_to_phys() { return machine_to_phys_; }

    // What the machine is like: a test sets these before the code under test runs.
    std::uint64_t tsc = 1'000'000; ///< the clock; it moves by hand,
    std::uint64_t tsc_step = 0;    ///< and by this with each look at it
    std::uint64_t tsc_khz = 2'000'000;
    bool tsc_stable = true;
    std::uint64_t wall_clock_seconds = 1'700'000'000;
    std::set<std::uint16_t> bad_selectors; ///< loading one fails
    std::uint64_t supported_xcr0 = 7;      ///< x87, SSE, AVX
    std::size_t extended_state_size = 832;
    bool refuse_extended_state = false; ///< what load_extended_state() is given is bad
    std::map<std::pair<std::uint32_t, std::uint32_t>, arch::CpuidResult> cpuid; ///< (leaf, subleaf); else 0
    std::map<std::uint32_t, std::uint64_t> msrs;                                ///< those that exist
    std::set<std::uint16_t> open_ports;
    std::map<std::uint16_t, std::uint32_t> ports; ///< what reading gives; else all ones
    static constexpr base::Maddr kIoApic{0xfec0'0000};
    std::vector<Line> lines = std::vector<Line>(24);
    std::map<std::uint64_t, std::uint32_t> device_words; ///< what write_device() wrote, by address
    std::string console_output;
    std::string console_input;
    std::function<void()> on_wait; ///< what happens during wait_for_interrupt()

  private:
    Config config_;
    std::byte* memory_ = nullptr;
    std::vector<std::uint64_t> machine_to_phys_;
    std::vector<Cpu> cpus_;
    mutable std::mutex lock_;
    std::vector<Event> events_;
};

/// The calling thread is CPU @p id until the end of the scope.
class [[nodiscard]] OnCpu {
  public:
    explicit OnCpu(base::CpuId id);
    ~OnCpu();
    OnCpu(OnCpu const&) = delete;
    OnCpu& operator=(OnCpu const&) = delete;

  private:
    base::CpuId before_;
};

} // namespace arch_fake
