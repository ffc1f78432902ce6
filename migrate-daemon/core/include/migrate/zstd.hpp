/// zstd, one frame at a time, by contexts that are kept: making one costs more than packing a small batch. Not for several threads
/// at once.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"

namespace migrate {

class Compressor {
  public:
    Compressor();
    ~Compressor();
    Compressor(Compressor&&) noexcept;
    Compressor& operator=(Compressor&&) noexcept;

    /// Appends one frame, which states its size. @p level as zstd counts: negative ones are faster than 1. False, and nothing is
    /// appended, if it would not have become smaller.
    bool pack(base::Bytes bytes, int level, std::vector<std::byte>& out);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

class Decompressor {
  public:
    Decompressor();
    ~Decompressor();
    Decompressor(Decompressor&&) noexcept;
    Decompressor& operator=(Decompressor&&) noexcept;

    /// Unpacks one frame which states that it holds out.size() octets, and holds them. False otherwise; then @p out holds anything.
    bool unpack(base::Bytes frame, std::span<std::byte> out);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace migrate
