/// What a hypercall will read first of its caller's memory, copied while the CPU still counts as in the guest: then that is a look
/// at RecentPages, not a walk (docs/decisions/0007).
///
/// To the guest it is as if the read were done a moment earlier: before the call has changed anything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.hpp"
#include "base/frame.hpp"

namespace domain {

class ReadAhead {
  public:
    static constexpr std::size_t kMost = 256;

    void keep(base::Vaddr at, std::span<std::byte const> bytes) {
        ASSERT(bytes.size() <= kMost);
        at_ = at;
        size_ = bytes.size();
        if (bytes.size() == kRequest) // most often; this way it is no call
            std::memcpy(bytes_.data(), bytes.data(), kRequest);
        else
            std::memcpy(bytes_.data(), bytes.data(), bytes.size());
    }
    void forget() { size_ = 0; }

    /// The @p size bytes at @p at if they have been read, and nobody has asked before; else nullptr.
    [[nodiscard]] std::byte const* take(base::Vaddr at, std::size_t size) {
        if (size_ < size || at_ != at)
            return nullptr;
        size_ = 0;
        return bytes_.data();
    }

  private:
    static constexpr std::size_t kRequest = 16; ///< one of mmu_update

    base::Vaddr at_;
    std::size_t size_ = 0;
    alignas(std::uint64_t) std::array<std::byte, kMost> bytes_{};
};

} // namespace domain
