#include "sched/run_queue.hpp"

#include <utility>

namespace sched {

void RunQueue::publish() {
    if (Entity const* const first = least(); first != nullptr)
        least_.store(to_global(first->virtual_time()).raw(), std::memory_order_relaxed);
}

void RunQueue::insert(Entity& entity) {
    if (entity.guaranteed()) {
        entity.lane_ = Lane::guaranteed;
        guaranteed_.insert(entity);
        return;
    }
    entity.lane_ = Lane::share;
    waiting_.insert(entity);
    if (entity.guarantee().any())
        watch(entity, entity.guarantee().deadline());
    publish();
    // Before the look into the idle set that follows (scheduler.hpp, "No lost wake-ups").
    count_.fetch_add(1, std::memory_order_seq_cst);
}

void RunQueue::park(Entity& entity, std::uint64_t until) {
    entity.lane_ = Lane::parked;
    watch(entity, until);
}

void RunQueue::watch(Entity& entity, std::uint64_t until) {
    entity.due_ = until;
    timed_.insert(entity);
}

void RunQueue::remove(Entity& entity) {
    switch (std::exchange(entity.lane_, Lane::none)) {
    case Lane::none: ASSERT(!"in no queue"); break;
    case Lane::guaranteed: guaranteed_.remove(entity); break;
    case Lane::share:
        waiting_.remove(entity);
        publish();
        count_.fetch_sub(1, std::memory_order_relaxed);
        break;
    case Lane::parked: break;
    }
    if (static_cast<base::HeapNode<TimedTag> const&>(entity).in_heap())
        timed_.remove(entity);
}

VirtualTime RunQueue::advance(std::uint64_t now, VirtualTime clock) {
    if (current != nullptr && least() != nullptr)
        floor_ = later(floor_, earlier(current->virtual_time_at(now), least()->virtual_time()));
    else if (current != nullptr)
        floor_ = later(floor_, current->virtual_time_at(now));
    else if (least() != nullptr)
        floor_ = later(floor_, least()->virtual_time());

    auto const oldest = clock - kWindow;
    if (auto const reached = to_global(floor_); reached < oldest) {
        base_ += oldest.raw() - reached.raw();
        publish();
    }
    return to_global(floor_);
}

std::optional<VirtualTime> RunQueue::peek() const {
    if (count_.load(std::memory_order_seq_cst) == 0)
        return std::nullopt;
    return VirtualTime{least_.load(std::memory_order_relaxed)};
}

} // namespace sched
