/// What was typed for dom0 and not read yet (CONSOLEIO_read).
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace console {

/// Not locked: whoever shares one guards it.
class InputRing {
  public:
    static constexpr std::size_t kSize = 1024;

    /// False if it is full, and @p character lost.
    [[nodiscard]] bool push(char character) {
        if (end_ - begin_ == kSize)
            return false;
        bytes_[end_++ % kSize] = character;
        return true;
    }

    /// Takes out as much as fits into @p to; answers how much.
    [[nodiscard]] std::size_t read(std::span<char> to) {
        std::size_t size = 0;
        while (size < to.size() && begin_ != end_)
            to[size++] = bytes_[begin_++ % kSize];
        return size;
    }

  private:
    std::array<char, kSize> bytes_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace console
