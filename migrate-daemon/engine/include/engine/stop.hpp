/// A domain that stands still for as long as it takes, and goes on whatever becomes of us: owed to the guardian meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "engine/guardian.hpp"
#include "hypervisor/suspension.hpp"

namespace engine {

class Stop {
  public:
    Stop(hypervisor::Toolstack const& tools, std::uint32_t domain, hypervisor::Way way, Guardian& guardian)
        : tools_{tools}, domain_{domain}, way_{way}, guardian_{guardian} {}
    Stop(Stop const&) = delete;
    Stop& operator=(Stop const&) = delete;
    ~Stop(); ///< it goes on, unless it was given away

    outcome::Result<void> begin(std::chrono::milliseconds patience);
    /// It goes on. Nothing if it does not stand still.
    outcome::Result<void> resume();
    /// It may be another's from now on: neither the guardian nor our end lets it go on, only resume() does. REQUIRES: begun.
    void give_away();

    [[nodiscard]] bool begun() const { return suspension_.has_value(); }
    /// Since begin() returned.
    [[nodiscard]] double ms() const;

  private:
    [[nodiscard]] Debt debt() const;

    hypervisor::Toolstack const& tools_;
    std::uint32_t domain_;
    hypervisor::Way way_;
    Guardian& guardian_;
    std::optional<hypervisor::Suspension> suspension_;
    std::chrono::steady_clock::time_point at_;
    bool given_away_ = false;
};

} // namespace engine
