/// Rings when a domain suspends itself: an event channel of this process, which the hypervisor raises in place of telling xenstored
/// (TERN_set_suspend_port). The store's own word comes three processes later, while the guest stands still.
#pragma once

#include <cstdint>
#include <memory>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

class SuspendBell {
  public:
    /// For the next time that @p domain suspends itself; it may have done so already.
    static Result<SuspendBell> of(Toolstack const& tools, std::uint32_t domain);
    SuspendBell(SuspendBell&& other) noexcept = default;
    SuspendBell& operator=(SuspendBell&&) = delete;
    ~SuspendBell();

    /// Readable when it has rung.
    [[nodiscard]] int descriptor() const { return xenevtchn_fd(channels_.get()); }
    /// Takes what has rung, so that it can be waited for again.
    void hear();

  private:
    using Channels = std::unique_ptr<xenevtchn_handle, Closer<xenevtchn_close>>;
    SuspendBell(Toolstack const& tools, std::uint32_t domain, Channels channels)
        : tools_{&tools}, domain_{domain}, channels_{std::move(channels)} {}
    [[nodiscard]] int set_port(std::uint32_t port) const;

    Toolstack const* tools_;
    std::uint32_t domain_;
    Channels channels_;
};

} // namespace hypervisor
