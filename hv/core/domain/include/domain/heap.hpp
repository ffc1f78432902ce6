/// Scratch space for what is too big for a CPU's stack (8 KiB).
#pragma once

#include <memory>

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

} // namespace domain
