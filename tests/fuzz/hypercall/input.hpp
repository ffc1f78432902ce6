/// The input of a fuzzer as a row of choices. When it is used up, every further choice is 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "base/bytes.hpp"

namespace fuzz {

class Input {
  public:
    explicit Input(base::Bytes bytes) : left_{bytes} {}

    [[nodiscard]] bool empty() const { return left_.empty(); }

    template <typename T> T take() {
        T value{};
        auto const size = std::min(sizeof value, left_.size());
        std::memcpy(&value, left_.data(), size);
        left_ = left_.subspan(size);
        return value;
    }
    std::uint8_t byte() { return take<std::uint8_t>(); }
    /// A number below @p end, which is at most 65536: of one byte where that is enough.
    std::uint32_t below(std::uint32_t end) { return (end <= 256 ? byte() : take<std::uint16_t>()) % end; }
    /// One time in @p times; not when the input is used up.
    bool rarely(std::uint32_t times) { return below(times) == times - 1; }
    template <typename Range> auto pick(Range const& from) {
        return *(std::begin(from) + below(static_cast<std::uint32_t>(std::size(from))));
    }
    template <typename T> T one_of(std::initializer_list<T> from) { return pick(from); }

  private:
    base::Bytes left_;
};

} // namespace fuzz
