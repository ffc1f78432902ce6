/// Memory for the hypervisor's own objects: domains, vCPUs, queues.
///
///     Vcpu* const vcpu = TRY(heap.make<Vcpu>(domain, id));
///     heap.destroy(vcpu);
///
/// Small objects share pages by size class, with a free list in each page; big ones get a run of whole pages. Either
/// way the first 64 bytes of a page say what it is. Nothing moves, memory comes zeroed, what is freed is poisoned or
/// scrubbed, and empty pages go back to the frame allocator. Alignment is up to 64 bytes (an XSAVE area's).
/// Locks below rank `frames` may be held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/lock.hpp"
#include "base/result.hpp"
#include "mm/frame_allocator.hpp"

namespace mm {

class Heap {
  public:
    static constexpr std::size_t kAlignment = 64;

    explicit Heap(FrameAllocator& frames) : frames_{frames} {}
    Heap(Heap const&) = delete;
    Heap& operator=(Heap const&) = delete;

    /// @p bytes of zeroes, aligned to kAlignment; `too_big` beyond the largest run, else as FrameAllocator::allocate.
    [[nodiscard]] base::Result<std::byte*> allocate(std::size_t bytes);
    /// @p bytes is what was asked for.
    void free(std::byte* memory, std::size_t bytes);

    template <typename T, typename... Args> [[nodiscard]] base::Result<T*> make(Args&&... args) {
        static_assert(alignof(T) <= kAlignment);
        std::byte* const memory = TRY(allocate(sizeof(T)));
        return std::construct_at(reinterpret_cast<T*>(memory), std::forward<Args>(args)...);
    }
    template <typename T> void destroy(T* object) {
        if (object == nullptr)
            return;
        std::destroy_at(object);
        free(reinterpret_cast<std::byte*>(object), sizeof(T));
    }

    template <typename T> [[nodiscard]] base::Result<std::span<T>> make_array(std::size_t count) {
        static_assert(alignof(T) <= kAlignment);
        if (count > kLargest / sizeof(T))
            return base::Err{base::Error::too_big};
        auto* const first = reinterpret_cast<T*>(TRY(allocate(count * sizeof(T))));
        std::uninitialized_value_construct_n(first, count);
        return std::span<T>{first, count};
    }
    template <typename T> void destroy_array(std::span<T> objects) {
        std::destroy_n(objects.data(), objects.size());
        free(reinterpret_cast<std::byte*>(objects.data()), objects.size() * sizeof(T));
    }

    /// Pages held, those of big objects aside.
    [[nodiscard]] std::uint64_t slab_pages();

  private:
    static constexpr std::size_t kLargest = (base::kPageSize << kMaxOrder) - kAlignment;
    static constexpr std::array<std::uint16_t, 8> kClasses{64, 128, 256, 448, 640, 960, 1344, 1984};

    struct Slab;
    struct Slabs {
        std::array<Slab*, kClasses.size()> with_room{};
        std::uint64_t pages = 0;
    };

    /// The smallest class that holds @p bytes; kClasses.size() if none does.
    [[nodiscard]] static std::size_t class_of(std::size_t bytes);
    static void link(Slabs& slabs, Slab& slab);
    static void unlink(Slabs& slabs, Slab& slab);
    [[nodiscard]] base::Result<std::byte*> allocate_run(std::size_t bytes);
    void free_run(std::byte* memory, std::size_t bytes);

    FrameAllocator& frames_;
    base::Guarded<Slabs, base::LockRank::frames> slabs_;
};

} // namespace mm
