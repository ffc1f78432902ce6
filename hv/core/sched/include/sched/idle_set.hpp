/// The CPUs that have nothing to do.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/number.hpp"
#include "sched/entity.hpp"

namespace sched {

/// Any CPU, any time. Each operation is a full barrier.
class IdleSet {
  public:
    void add(base::CpuId cpu);
    /// True if it was there: of several that take a CPU out, one is told so, and has to see that it schedules.
    bool take(base::CpuId cpu);
    /// Takes out any CPU of @p among.
    [[nodiscard]] std::optional<base::CpuId> take_any(Affinity const& among);

  private:
    std::array<std::atomic<std::uint64_t>, base::kMaxCpus / 64> words_{};
};

} // namespace sched
