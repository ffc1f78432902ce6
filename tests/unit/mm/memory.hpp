/// A machine's memory for tests: the fake machine, a frame table, an allocator that owns some frames, and TLBs that are
/// flushed by hand.
#pragma once

#include <atomic>
#include <cstring>
#include <vector>

#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"
#include "mm/frame_allocator.hpp"

namespace mm_test {

/// One CPU's worth of TLB. Flushed at every look, unless a test says `by_hand`.
struct FakeClock {
    std::atomic<std::uint32_t> time{1};
    std::atomic<std::uint32_t> flushed{0};
    std::atomic<int> asked{0};
    bool by_hand = false;

    std::uint32_t now() { return time; }
    bool is_safe(std::uint32_t stamp) { return !by_hand || stamp <= flushed; }
    void ask(std::uint32_t) { ++asked; }
    void flush() { flushed = time++; }
};

struct Memory {
    explicit Memory(std::uint64_t frames, std::uint64_t first = 1)
        : machine{{.frames = frames}},
          infos(frames),
          quotas(64),
          table{infos},
          allocator{table, mm::Accounts{quotas}, mm::FlushClock{clock}} {
        for (auto& quota : quotas)
            quota.set_limit(~std::uint64_t{0});
        if (first < frames)
            allocator.add_memory(base::Mfn{first}, frames - first);
    }

    std::uint64_t free_frames() { return allocator.statistics().free; }

    arch_fake::Machine machine;
    FakeClock clock;
    std::vector<mm::FrameInfo> infos;
    std::vector<mm::Quota> quotas;
    mm::FrameTable table;
    mm::FrameAllocator allocator;
};

inline void fill(base::Mfn frame, unsigned char value) { std::memset(arch::direct_map(frame), value, base::kPageSize); }

inline bool is_filled_with(base::Mfn frame, unsigned char value) {
    std::byte const* const bytes = arch::direct_map(frame);
    return bytes[0] == std::byte{value} && std::memcmp(bytes, bytes + 1, base::kPageSize - 1) == 0;
}

inline constexpr base::DomId kAlice{1};
inline constexpr base::DomId kBob{2};

} // namespace mm_test
