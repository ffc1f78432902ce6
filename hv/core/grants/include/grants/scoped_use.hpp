/// A use of a granted frame, begun and ended under its granter's lock.
#pragma once

#include <utility>

#include "grants/lock.hpp"
#include "grants/status.hpp"

namespace grants {
namespace detail {

template <typename D> Result<Pin> begin_use(D& granter, PinRequest const& request) {
    auto&& frames = granter.frames();
    return granter.grants().with([&](Grants& grants) { return grants.table.begin(request, frames); });
}

template <typename D> void end_use(D& granter, Pin const& pin) {
    auto&& frames = granter.frames();
    granter.grants().with([&](Grants& grants) { grants.table.end(pin, frames); });
}

} // namespace detail

/// One use, for as long as this lives. @p D: a GrantDomain (operations.hpp).
template <typename D> class ScopedUse {
  public:
    [[nodiscard]] static Result<ScopedUse> begin(D granter, PinRequest const& request) {
        auto const pin = TRY(detail::begin_use(granter, request));
        return ScopedUse{std::move(granter), pin};
    }

    ScopedUse(ScopedUse&& other) noexcept
        : granter_{std::move(other.granter_)}, pin_{other.pin_}, open_{std::exchange(other.open_, false)} {}
    ScopedUse& operator=(ScopedUse&&) = delete;
    ~ScopedUse() {
        if (open_)
            detail::end_use(granter_, pin_);
    }

    [[nodiscard]] D& granter() { return granter_; }
    [[nodiscard]] Pin const& pin() const { return pin_; }

  private:
    ScopedUse(D granter, Pin const& pin) : granter_{std::move(granter)}, pin_{pin} {}

    D granter_;
    Pin pin_;
    bool open_ = true;
};

} // namespace grants
