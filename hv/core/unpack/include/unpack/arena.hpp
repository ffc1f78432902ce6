/// Memory for a decoder: what it asks for is cut off a run of bytes, from the bottom up, until all of it is thrown away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace unpack {

class Arena {
  public:
    explicit Arena(std::span<std::byte> memory) : left_{memory} {}
    Arena(Arena const&) = delete;
    Arena& operator=(Arena const&) = delete;

    /// @p bytes bytes, aligned for anything; null if there are not so many.
    [[nodiscard]] void* take(std::size_t bytes) {
        auto const skip = -reinterpret_cast<std::uintptr_t>(left_.data()) % alignof(std::max_align_t);
        if (skip > left_.size() || bytes > left_.size() - skip)
            return nullptr;
        auto* const taken = left_.data() + skip;
        left_ = left_.subspan(skip + bytes);
        return taken;
    }
    /// For @p count things of @p size bytes each: how C libraries ask.
    [[nodiscard]] void* take(std::size_t count, std::size_t size) {
        std::size_t bytes = 0;
        return __builtin_mul_overflow(count, size, &bytes) ? nullptr : take(bytes);
    }

  private:
    std::span<std::byte> left_;
};

} // namespace unpack
