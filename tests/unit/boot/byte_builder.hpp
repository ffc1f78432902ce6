/// Writes foreign bytes by hand: little-endian values, text and padding, one after the other.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace test {

class ByteBuilder {
  public:
    template <typename T> ByteBuilder& put(T value) {
        auto const at = bytes_.size();
        bytes_.resize(at + sizeof value);
        std::memcpy(bytes_.data() + at, &value, sizeof value);
        return *this;
    }
    ByteBuilder& u8(unsigned value) { return put(static_cast<std::uint8_t>(value)); }
    ByteBuilder& u16(unsigned value) { return put(static_cast<std::uint16_t>(value)); }
    ByteBuilder& u32(std::uint32_t value) { return put(value); }
    ByteBuilder& u64(std::uint64_t value) { return put(value); }

    ByteBuilder& text(std::string_view text) {
        for (char const c : text)
            put(c);
        return *this;
    }
    ByteBuilder& append(base::Bytes bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    ByteBuilder& pad_to(std::size_t size) {
        bytes_.resize(std::max(size, bytes_.size()));
        return *this;
    }
    ByteBuilder& align(std::size_t unit) { return pad_to((bytes_.size() + unit - 1) / unit * unit); }

    template <typename T> ByteBuilder& patch(std::size_t at, T value) {
        pad_to(at + sizeof value);
        std::memcpy(bytes_.data() + at, &value, sizeof value);
        return *this;
    }
    /// Makes the bytes [0, size) sum to 0 by changing the one at @p at.
    ByteBuilder& fix_checksum(std::size_t at, std::size_t size) {
        patch(at, std::uint8_t{0});
        std::uint8_t sum = 0;
        for (std::size_t i = 0; i < size; ++i)
            sum = static_cast<std::uint8_t>(sum + std::to_integer<unsigned>(bytes_[i]));
        return patch(at, static_cast<std::uint8_t>(-sum));
    }

    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::vector<std::byte> const& bytes() const { return bytes_; }
    operator base::Bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

} // namespace test
