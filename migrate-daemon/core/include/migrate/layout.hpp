/// Which frames a guest has, and a dense index over them: books about pages are arrays, whatever holes its numbers have.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrate/page.hpp"
#include "migrate/stream_error.hpp"

namespace migrate {

/// Runs of frames: rising, none empty, no two touching.
class MemoryLayout {
  public:
    struct Run {
        Gfn first;
        std::uint64_t count = 0;
        std::uint64_t index = 0; ///< of its first frame

        bool operator==(Run const&) const = default;
    };

    /// Appends frames: for who makes a layout. Joins what touches. False, and nothing is done, if they are not above all that is
    /// there, none, or beyond kGfnLimit.
    [[nodiscard]] bool append(Gfn first, std::uint64_t count);

    [[nodiscard]] std::span<Run const> runs() const { return runs_; }
    [[nodiscard]] std::uint64_t frames() const { return frames_; }

    /// The place of @p gfn among all frames, below frames(); nothing if the guest has none of that number.
    [[nodiscard]] std::optional<std::uint64_t> index_of(Gfn gfn) const;
    /// The other way. REQUIRES: index < frames().
    [[nodiscard]] Gfn frame_at(std::uint64_t index) const;

    /// The record's payload, and back. A layout with more runs than a record holds (a million) cannot be written: then false.
    [[nodiscard]] bool write(std::vector<std::byte>& payload) const;
    static Streamed<MemoryLayout> parse(Bytes payload);

    bool operator==(MemoryLayout const&) const = default;

  private:
    std::vector<Run> runs_;
    std::uint64_t frames_ = 0;
};

} // namespace migrate
