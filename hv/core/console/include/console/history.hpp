/// The last 64 KiB that went to the console (`xl dmesg`, XEN_SYSCTL_readconsole).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace console {

/// Every byte has a position, counted from the first ever written. Not locked: the console is.
class History {
  public:
    static constexpr std::size_t kSize = 65536;

    constexpr History() = default;

    void append(std::string_view text);

    struct Read {
        std::size_t size = 0;   ///< bytes copied
        std::uint64_t next = 0; ///< the position after them: where to go on
    };
    /// Copies from @p from on (an incremental read), or from the oldest byte that is not cleared. A position that is
    /// gone already, or has not come yet, counts as the oldest one.
    [[nodiscard]] Read read(std::optional<std::uint64_t> from, std::span<char> to) const;

    /// From now on, reads that are not incremental begin after @p position.
    void clear_to(std::uint64_t position);

    [[nodiscard]] std::uint64_t end() const { return end_; }

  private:
    [[nodiscard]] std::uint64_t oldest() const { return end_ < kSize ? 0 : end_ - kSize; }

    std::uint64_t end_ = 0;
    std::uint64_t cleared_ = 0;
    std::array<char, kSize> bytes_{};
};

} // namespace console
