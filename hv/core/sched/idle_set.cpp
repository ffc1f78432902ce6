#include "sched/idle_set.hpp"

#include <bit>

namespace sched {

namespace {
constexpr std::uint64_t bit_of(base::CpuId cpu) { return std::uint64_t{1} << (cpu.raw() % 64); }
} // namespace

void IdleSet::add(base::CpuId cpu) { words_[cpu.raw() / 64].fetch_or(bit_of(cpu), std::memory_order_seq_cst); }

bool IdleSet::take(base::CpuId cpu) {
    return (words_[cpu.raw() / 64].fetch_and(~bit_of(cpu), std::memory_order_seq_cst) & bit_of(cpu)) != 0;
}

std::optional<base::CpuId> IdleSet::take_any(Affinity const& among) {
    for (std::uint32_t i = 0; i < words_.size(); ++i) {
        for (auto idle = words_[i].load(std::memory_order_seq_cst); idle != 0; idle &= idle - 1) {
            base::CpuId const cpu{i * 64 + static_cast<std::uint32_t>(std::countr_zero(idle))};
            if (among.test(cpu.raw()) && take(cpu))
                return cpu;
        }
    }
    return std::nullopt;
}

} // namespace sched
