/// How the ACPI parser sees physical memory: it asks for bytes at an address, and may be told no.
///
///     auto const map = [](base::Maddr at, std::size_t count) -> base::Bytes { ... };   // empty: not readable
///     boot::PhysicalMemory const memory{map};
///
/// In the hypervisor `map` goes through the direct map, in tests into an array. What it answers must stay readable,
/// and unchanged, for as long as the parser's results are used. A PhysicalMemory refers to `map`: it must not outlive it.
#pragma once

#include <concepts>
#include <cstddef>

#include "base/bytes.hpp"
#include "base/frame.hpp"

namespace boot {

class PhysicalMemory {
  public:
    template <typename Map>
    explicit PhysicalMemory(Map const& map)
        : map_{&map}, call_{[](void const* mapper, base::Maddr at, std::size_t count) -> base::Bytes {
              return (*static_cast<Map const*>(mapper))(at, count);
          }} {
        static_assert(std::convertible_to<decltype(map(base::Maddr{}, std::size_t{})), base::Bytes>);
    }

    /// Exactly @p count bytes at @p at, or nothing.
    [[nodiscard]] base::Bytes read(base::Maddr at, std::size_t count) const {
        if (count > ~at.raw())
            return {};
        auto const bytes = call_(map_, at, count);
        return bytes.size() < count ? base::Bytes{} : bytes.first(count);
    }

  private:
    void const* map_;
    base::Bytes (*call_)(void const*, base::Maddr, std::size_t);
};

} // namespace boot
