/// Stopping a domain such that what it is can be taken elsewhere, and letting it go on if that fails.
///
///   cooperative  the guest is asked through the store, puts its devices away and stops itself (docs/abi.md §8.1); it knows, when it goes
///                on, that it may be elsewhere. For a Linux with devices.
///   transparent  it is paused, and knows nothing. For who has no device but its console and the store.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "hypervisor/domains.hpp"
#include "hypervisor/failure.hpp"
#include "hypervisor/suspend_bell.hpp"
#include "hypervisor/toolstack.hpp"
#include "hypervisor/watch.hpp"

namespace hypervisor {

enum class Way { cooperative, transparent };
std::string_view name_of(Way way);

/// How @p domain can be stopped. A guest with devices that is still booting is waited for, up to @p patience; @p tell gets one sentence then.
/// `precondition`: it has devices, and does not know how to put them away.
Result<Way> way_of(Toolstack const& tools, std::uint32_t domain, std::chrono::milliseconds patience,
                   std::function<void(std::string_view)> const& tell);

/// Stopped from suspend() until resume(), or for good after keep_stopped(); it goes on if neither was called.
class Suspension {
  public:
    /// `failed`: it did not stop within @p patience, or stopped for another reason.
    static Result<Suspension> begin(Toolstack const& tools, std::uint32_t domain, Way way,
                                    std::chrono::milliseconds patience);
    Suspension(Suspension&& other) noexcept;
    Suspension& operator=(Suspension&&) = delete;
    ~Suspension();

    /// It goes on here, as if nothing had been.
    Result<void> resume();
    /// It never runs here again.
    void keep_stopped() { stopped_ = false; }

  private:
    Suspension(Toolstack const& tools, std::uint32_t domain, Way way) : tools_{&tools}, domain_{domain}, way_{way} {}

    Toolstack const* tools_;
    std::uint32_t domain_;
    Way way_;
    std::optional<Watch> watch_;
    std::optional<SuspendBell> bell_;
    bool stopped_ = false;
};

/// For who finds a domain that was to be stopped, by somebody who is no more: takes back a request that was not taken up, waits for one that
/// was, up to @p patience, and lets the domain go on. Nothing, if it goes on already.
void let_go(Toolstack const& tools, std::uint32_t domain, Way way,
            std::chrono::milliseconds patience = std::chrono::seconds{60});

} // namespace hypervisor
