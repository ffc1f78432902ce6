/// Scratch space for what is too big for a CPU's stack (8 KiB).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "base/result.hpp"
#include "domain/system.hpp"

namespace domain {

/// An object of the heap that dies with its scope.
template <typename T> class [[nodiscard]] Scratch {
  public:
    Scratch(System& system, T* object) : system_{&system}, object_{object} {}
    Scratch(Scratch&& other) noexcept : system_{other.system_}, object_{std::exchange(other.object_, nullptr)} {}
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() { system_->heap.destroy(object_); }

    [[nodiscard]] T* get() const { return object_; }
    T& operator*() const { return *object_; }
    T* operator->() const { return object_; }

  private:
    System* system_;
    T* object_;
};

template <typename T> [[nodiscard]] base::Result<Scratch<T>> make_scratch(System& system) {
    return Scratch<T>{system, TRY(system.heap.make<T>())};
}

/// An array of the heap that dies with its scope.
template <typename T> class [[nodiscard]] ScratchArray {
  public:
    ScratchArray(System& system, std::span<T> objects) : system_{&system}, objects_{objects} {}
    ScratchArray(ScratchArray&& other) noexcept
        : system_{other.system_}, objects_{std::exchange(other.objects_, std::span<T>{})} {}
    ScratchArray& operator=(ScratchArray&&) = delete;
    ~ScratchArray() {
        if (objects_.data() != nullptr)
            system_->heap.destroy_array(objects_);
    }

    [[nodiscard]] std::span<T> get() const { return objects_; }

  private:
    System* system_;
    std::span<T> objects_;
};

/// @p count may be 0: then there is nothing to die.
template <typename T>
[[nodiscard]] base::Result<ScratchArray<T>> make_scratch_array(System& system, std::size_t count) {
    if (count == 0)
        return ScratchArray<T>{system, {}};
    return ScratchArray<T>{system, TRY(system.heap.make_array<T>(count))};
}

} // namespace domain
