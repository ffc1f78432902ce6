#include "engine/stop.hpp"

#include <utility>

namespace engine {

using outcome::Result;
using Clock = std::chrono::steady_clock;

Stop::~Stop() {
    if (suspension_ && given_away_)
        suspension_->keep_stopped();
    static_cast<void>(resume());
}

Result<void> Stop::begin(std::chrono::milliseconds patience) {
    guardian_.owe(debt(), domain_);
    auto begun = hypervisor::Suspension::begin(tools_, domain_, way_, patience);
    // Who has begun to suspend itself and is not done is left to the guardian, which waits longer.
    if (!begun && begun.error().kind != outcome::Kind::attention)
        guardian_.settle(debt(), domain_);
    suspension_.emplace(TRY(std::move(begun)));
    at_ = Clock::now();
    return {};
}

Result<void> Stop::resume() {
    if (!suspension_)
        return {};
    auto resumed = suspension_->resume();
    suspension_.reset();
    guardian_.settle(debt(), domain_);
    return resumed;
}

void Stop::give_away() {
    given_away_ = true;
    guardian_.settle(debt(), domain_);
}

double Stop::ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - at_).count(); }

Debt Stop::debt() const {
    return way_ == hypervisor::Way::cooperative ? Debt::resume_cooperative : Debt::resume_transparent;
}

} // namespace engine
