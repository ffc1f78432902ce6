#include "sched/entity.hpp"

namespace sched {

using timing::RunState;

namespace {
constexpr std::uint64_t since(std::uint64_t earlier, std::uint64_t now) { return now > earlier ? now - earlier : 0; }
} // namespace

VirtualTime Entity::virtual_time_at(std::uint64_t now) const {
    return virtual_time_ + since(charged_until_, now) * kDefaultWeight / weight();
}

void Entity::charge(std::uint64_t now) {
    auto const spent = since(charged_until_, now) * kDefaultWeight + charge_rest_;
    virtual_time_ = virtual_time_ + spent / weight();
    charge_rest_ = spent % weight();
    charged_until_ = std::max(charged_until_, now);
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
