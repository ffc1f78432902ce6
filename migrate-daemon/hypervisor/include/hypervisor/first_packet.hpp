/// When a guest is heard first: what it sends by its network cards comes by the devices that domain 0 has for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// From when it is made, all that a domain sends is listened to.
class FirstPacket {
  public:
    /// Nothing if it has no cards, or they cannot be listened to.
    static std::optional<FirstPacket> of(Toolstack const& tools, std::uint32_t domain);

    /// When the first of it came, CLOCK_MONOTONIC, ns. Nothing: none has, within @p patience.
    std::optional<std::uint64_t> await(std::chrono::milliseconds patience);

    FirstPacket(FirstPacket&& other) noexcept : sockets_{std::exchange(other.sockets_, {})} {}
    FirstPacket& operator=(FirstPacket&& other) noexcept {
        std::swap(sockets_, other.sockets_);
        return *this;
    }
    ~FirstPacket();

  private:
    FirstPacket() = default;

    std::vector<int> sockets_; ///< of each card
};

} // namespace hypervisor
