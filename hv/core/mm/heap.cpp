#include "mm/heap.hpp"

#include <bit>
#include <cstring>

#include "arch/cpu.hpp"

namespace mm {

using base::Err;
using base::Error;
using base::Mfn;

namespace {
constexpr std::byte kPoison{0xdd};
} // namespace

/// The head of a page of small objects. Freed objects are chained by the offset that stands in their first bytes.
struct alignas(Heap::kAlignment) Heap::Slab {
    Mfn frame;
    Slab* next = nullptr; ///< among those of its class with room
    Slab* previous = nullptr;
    std::uint16_t size_class = 0;
    std::uint16_t used = 0;
    std::uint16_t first_freed = 0;                ///< offset; 0: none
    std::uint16_t first_fresh = Heap::kAlignment; ///< offset of the first object never used

    [[nodiscard]] std::uint16_t object_size() const { return kClasses[size_class]; }
    [[nodiscard]] bool full() const { return first_freed == 0 && first_fresh + object_size() > base::kPageSize; }
    [[nodiscard]] std::byte* at(std::uint16_t offset) { return reinterpret_cast<std::byte*>(this) + offset; }

    std::byte* take() {
        ++used;
        if (first_freed == 0)
            return at(std::exchange(first_fresh, static_cast<std::uint16_t>(first_fresh + object_size())));
        std::byte* const object = at(first_freed);
        std::memcpy(&first_freed, object, sizeof first_freed);
        return object;
    }
    void put(std::byte* object) {
        --used;
        std::memcpy(object, &first_freed, sizeof first_freed);
        first_freed = static_cast<std::uint16_t>(object - at(0));
    }

    static Slab& of(std::byte* object) {
        auto const address = reinterpret_cast<std::uintptr_t>(object);
        return *reinterpret_cast<Slab*>(address & ~std::uintptr_t{base::kPageMask});
    }
};

namespace {

/// What stands before a big object.
struct alignas(Heap::kAlignment) RunHead {
    Mfn first;
};

unsigned order_for(std::size_t bytes) {
    return static_cast<unsigned>(std::bit_width(base::frames_for(bytes + sizeof(RunHead)) - 1));
}

} // namespace

base::Result<std::byte*> Heap::allocate(std::size_t bytes) {
    static_assert(sizeof(Slab) == kAlignment && sizeof(RunHead) == kAlignment);
    if (bytes > kLargest)
        return Err{Error::too_big};
    auto const size_class = class_of(bytes);
    if (size_class == kClasses.size())
        return allocate_run(bytes);

    auto const take = [&]() -> std::byte* {
        return slabs_.with([&](Slabs& slabs) -> std::byte* {
            Slab* const slab = slabs.with_room[size_class];
            if (slab == nullptr)
                return nullptr;
            std::byte* const object = slab->take();
            if (slab->full())
                unlink(slabs, *slab);
            return object;
        });
    };
    std::byte* object = take();
    while (object == nullptr) {
        Mfn const frame = TRY(frames_.allocate_frame({})).release();
        auto* const slab = std::construct_at(arch::frame_as<Slab>(frame));
        slab->frame = frame;
        slab->size_class = static_cast<std::uint16_t>(size_class);
        slabs_.with([&](Slabs& slabs) {
            ++slabs.pages;
            link(slabs, *slab);
        });
        object = take();
    }
    std::memset(object, 0, kClasses[size_class]);
    return object;
}

void Heap::free(std::byte* memory, std::size_t bytes) {
    auto const size_class = class_of(bytes);
    if (size_class == kClasses.size())
        return free_run(memory, bytes);

    std::memset(memory, static_cast<int>(kPoison), kClasses[size_class]);
    Slab& slab = Slab::of(memory);
    ASSERT(slab.size_class == size_class && slab.used != 0);
    bool const empty = slabs_.with([&](Slabs& slabs) {
        bool const was_full = slab.full();
        slab.put(memory);
        if (was_full)
            link(slabs, slab);
        // One empty page of a class stays, for the next object.
        bool const others = slabs.with_room[size_class] != &slab || slab.next != nullptr;
        if (slab.used != 0 || !others)
            return false;
        unlink(slabs, slab);
        --slabs.pages;
        return true;
    });
    if (empty)
        frames_.table().drop_reference(slab.frame);
}

base::Result<std::byte*> Heap::allocate_run(std::size_t bytes) {
    Mfn const first = TRY(frames_.allocate({.order = order_for(bytes)}));
    auto* const head = std::construct_at(arch::frame_as<RunHead>(first));
    head->first = first;
    return reinterpret_cast<std::byte*>(head + 1);
}

void Heap::free_run(std::byte* memory, std::size_t bytes) {
    Mfn const first = (reinterpret_cast<RunHead*>(memory) - 1)->first;
    frames_.give_back(first, order_for(bytes)); // scrubbed there
}

std::size_t Heap::class_of(std::size_t bytes) {
    std::size_t size_class = 0;
    while (size_class < kClasses.size() && kClasses[size_class] < bytes)
        ++size_class;
    return size_class;
}

void Heap::link(Slabs& slabs, Slab& slab) {
    Slab*& first = slabs.with_room[slab.size_class];
    slab.previous = nullptr;
    slab.next = first;
    if (first != nullptr)
        first->previous = &slab;
    first = &slab;
}

void Heap::unlink(Slabs& slabs, Slab& slab) {
    (slab.previous != nullptr ? slab.previous->next : slabs.with_room[slab.size_class]) = slab.next;
    if (slab.next != nullptr)
        slab.next->previous = slab.previous;
}

std::uint64_t Heap::slab_pages() {
    return slabs_.with([](Slabs& slabs) { return slabs.pages; });
}

} // namespace mm
