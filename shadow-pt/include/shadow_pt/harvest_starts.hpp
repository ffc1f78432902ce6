/// Where harvests start (SP-20): shadows through which a CPU may have written since the last harvest, and which no entry with an
/// A bit leads to. A root that a vCPU has loaded, and a table that lives on after an entry which led to it has gone.
///
///     fresh ──(a harvest begins)──▶ walking ──(it ends)──▶ previous ──(the next one ends)──▶ forgotten
///
/// A harvest visits those of the one before once more, since a CPU may have walked through them between that visit and that
/// harvest's flush (SP-19). Lists are hints: a shadow whose table has left it is passed over, and one that has become another
/// table's is visited in vain. So nobody takes out what dies.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/assert.hpp"
#include "base/frame.hpp"
#include "base/lock.hpp"

namespace shadow_pt {

/// One page of frame numbers.
class StartList {
  public:
    static constexpr unsigned kMost = base::kPageSize / sizeof(std::uint32_t);

    StartList() = default;
    StartList(base::Mfn page, void* bytes) : page_{page}, frames_{static_cast<std::uint32_t*>(bytes)} {}

    [[nodiscard]] base::Mfn page() const { return page_; }
    [[nodiscard]] unsigned size() const { return size_; }
    [[nodiscard]] bool full() const { return size_ == kMost; }
    [[nodiscard]] base::Mfn at(unsigned index) const { return base::Mfn{frames_[index]}; }
    void push(base::Mfn frame) {
        ASSERT(!full());
        frames_[size_++] = static_cast<std::uint32_t>(frame.raw());
    }
    /// Keeps those of which @p lives says so.
    template <typename Lives> void compact(Lives&& lives) {
        unsigned kept = 0;
        for (unsigned index = 0; index < size_; ++index)
            if (lives(at(index)))
                frames_[kept++] = frames_[index];
        size_ = kept;
    }
    /// The page is zero again, as its allocator wants it back.
    void wipe() {
        for (unsigned index = 0; index < kMost; ++index)
            frames_[index] = 0;
        size_ = 0;
    }
    void clear() { size_ = 0; }

  private:
    base::Mfn page_;
    std::uint32_t* frames_ = nullptr;
    unsigned size_ = 0;
};

} // namespace shadow_pt
