#include "sched/entity.hpp"

#include <algorithm>

namespace sched {

using timing::RunState;

namespace {
constexpr std::uint64_t since(std::uint64_t earlier, std::uint64_t now) { return now > earlier ? now - earlier : 0; }
} // namespace

VirtualTime Entity::virtual_time_at(std::uint64_t now) const {
    auto const ran = since(charged_until_, now);
    return virtual_time_ + (ran - std::min(ran, guarantee_.left())) * kDefaultWeight / weight();
}

void Entity::charge(std::uint64_t now) {
    auto const ran = since(charged_until_, now);
    allowance_ -= static_cast<std::int64_t>(ran);
    auto const spent = guarantee_.spend(ran) * kDefaultWeight + charge_rest_;
    virtual_time_ = virtual_time_ + spent / weight();
    charge_rest_ = spent % weight();
    charged_until_ = std::max(charged_until_, now);
}

bool Entity::goes_before(Entity const& other) const {
    if (guaranteed() != other.guaranteed())
        return guaranteed();
    return guaranteed() ? guarantee_.deadline() < other.guarantee_.deadline() : virtual_time_ < other.virtual_time_;
}

bool Entity::interrupts(Entity const& running, std::uint64_t now) const {
    if (guaranteed() || running.guaranteed())
        return goes_before(running);
    return preempts(virtual_time_, running.virtual_time_at(now));
}

bool Entity::draw(std::uint64_t now) {
    if (budget_ == nullptr)
        allowance_ = static_cast<std::int64_t>(kSlice);
    else if (allowance_ <= 0)
        allowance_ = budget_->draw(allowance_, kSlice, now);
    return allowance_ > 0;
}

void Entity::give_back(std::uint64_t now) {
    if (budget_ != nullptr)
        static_cast<void>(budget_->draw(allowance_, 0, now));
    allowance_ = 0;
}

std::uint64_t Entity::means_end(std::uint64_t now) const {
    auto const allowed = now + static_cast<std::uint64_t>(allowance_);
    return guaranteed() ? std::min(allowed, now + guarantee_.left()) : allowed;
}

void Entity::account(std::uint64_t now) {
    if (place() == Place::running)
        runstate_.enter(RunState::running, now);
    else if (blocked())
        runstate_.enter(RunState::blocked, now);
    else
        runstate_.enter(pauses_ == 0 ? RunState::runnable : RunState::offline, now);
}

} // namespace sched
