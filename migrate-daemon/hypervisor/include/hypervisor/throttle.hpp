/// Slowing a domain down, by the scheduler's cap (`xl sched-credit2 -c`).
#pragma once

#include <cstdint>

#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// While it lives a domain may have a lower cap than it had. Its own one comes back at the end.
class Throttle {
  public:
    static Result<Throttle> of(Toolstack const& tools, std::uint32_t domain);
    Throttle(Throttle&& other) noexcept;
    Throttle& operator=(Throttle&&) = delete;
    ~Throttle() { static_cast<void>(release()); }

    /// Takes @p share, 0 to 1, of its vCPUs' time away; 0: none.
    Result<void> take(double share);
    Result<void> release() { return take(0); }

    /// The cap that it had.
    [[nodiscard]] std::uint16_t own_cap() const { return own_cap_; }

  private:
    Throttle(Toolstack const& tools, std::uint32_t domain) : tools_{&tools}, domain_{domain} {}

    Toolstack const* tools_;
    std::uint32_t domain_;
    std::uint32_t vcpus_ = 1;
    std::uint16_t own_cap_ = 0;
    std::uint16_t cap_ = 0; ///< now
};

Result<void> set_cap(Toolstack const& tools, std::uint32_t domain, std::uint16_t cap);

} // namespace hypervisor
