/// An array that grows by whole frames and never moves: the tables of this room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "arch/cpu.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "mm/frame_allocator.hpp"

namespace grants {

/// At most @p MaxPages frames of T. Frames are asked for with the Request given at construction.
template <typename T, std::size_t MaxPages> class PagedArray {
  public:
    static constexpr std::size_t kPerPage = base::kPageSize / sizeof(T);

    PagedArray(mm::FrameAllocator& frames, mm::Request request) : frames_{frames}, request_{request} {}
    PagedArray(PagedArray const&) = delete;
    PagedArray& operator=(PagedArray const&) = delete;
    ~PagedArray() { clear(); }

    [[nodiscard]] std::size_t pages() const { return pages_; }
    [[nodiscard]] std::size_t size() const { return pages_ * kPerPage; }

    /// Adds one frame of zeroes.
    [[nodiscard]] base::Status grow() {
        if (pages_ == MaxPages)
            return base::Err{base::Error::no_space};
        auto frame = TRY(frames_.allocate_frame(request_));
        mfns_[pages_++] = static_cast<std::uint32_t>(frame.release().raw());
        return {};
    }
    /// Gives the last frame back.
    void shrink() {
        ASSERT(pages_ != 0);
        frames_.table().drop_reference(base::Mfn{mfns_[--pages_]});
    }
    void clear() {
        while (pages_ != 0)
            shrink();
    }

    [[nodiscard]] base::Mfn frame(std::size_t page) const {
        ASSERT(page < pages_);
        return base::Mfn{mfns_[page]};
    }
    [[nodiscard]] T& operator[](std::size_t index) {
        return arch::frame_as<T>(frame(index / kPerPage))[index % kPerPage];
    }

  private:
    mm::FrameAllocator& frames_;
    mm::Request request_;
    std::array<std::uint32_t, MaxPages> mfns_{};
    std::size_t pages_ = 0;
};

} // namespace grants
