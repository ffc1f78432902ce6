#include "arch_fake/machine.hpp"

#include <sys/mman.h>

#include <algorithm>

#include "base/lock.hpp"

namespace arch_fake {

namespace {

Machine* the_machine = nullptr;
thread_local base::CpuId this_thread_is;

std::size_t bytes_of(Config const& config) { return config.frames * base::kPageSize; }

} // namespace

Machine::Machine(Config const& config)
    : config_{config}, machine_to_phys_(config.frames, ~std::uint64_t{0}), cpus_(config.cpus) {
    ASSERT(the_machine == nullptr);
    ASSERT(config.cpus >= 1 && config.cpus <= base::kMaxCpus);
    void* const memory =
        mmap(nullptr, bytes_of(config), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(memory != MAP_FAILED);
    memory_ = static_cast<std::byte*>(memory);
    the_machine = this;
}

Machine::~Machine() {
    munmap(memory_, bytes_of(config_));
    the_machine = nullptr;
}

Machine& Machine::current() {
    ASSERT(the_machine != nullptr);
    return *the_machine;
}

Cpu& Machine::cpu(base::CpuId id) {
    ASSERT(id.raw() < cpus_.size());
    return cpus_[id.raw()];
}

void Machine::record(Event event) {
    event.by = arch::this_cpu();
    std::lock_guard const guard{lock_};
    events_.push_back(event);
}

std::vector<Event> Machine::events() const {
    std::lock_guard const guard{lock_};
    return events_;
}

std::size_t Machine::count(Event::Kind kind) const {
    std::lock_guard const guard{lock_};
    return static_cast<std::size_t>(
        std::count_if(events_.begin(), events_.end(), [&](Event const& event) { return event.kind == kind; }));
}

void Machine::forget_events() {
    std::lock_guard const guard{lock_};
    events_.clear();
}

OnCpu::OnCpu(base::CpuId id) : before_{this_thread_is} { this_thread_is = id; }
OnCpu::~OnCpu() { this_thread_is = before_; }

} // namespace arch_fake

namespace arch {

base::CpuId this_cpu() { return arch_fake::this_thread_is; }

base::LockWitness& lock_witness() {
    thread_local base::LockWitness witness;
    return witness;
}

} // namespace arch
