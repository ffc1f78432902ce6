/// Who is to run on a CPU, and until when.
#include <algorithm>
#include <utility>

#include "home_lock.hpp"
#include "sched/scheduler.hpp"

namespace sched {

using base::CpuId;

/// Takes from @p victim who may run on @p cpu and is far enough behind @p own_best, or anyone if there is none. Its
/// virtual time is that of all CPUs then.
Entity* Scheduler::take_from(RunQueue& victim, CpuId cpu, std::optional<VirtualTime> own_best) {
    base::LockGuard const guard{victim.lock};
    Entity* const taken = victim.find([&](Entity const& entity) {
        return entity.may_run_on(cpu) && (!own_best || pulls(victim.to_global(entity.virtual_time_), *own_best));
    });
    if (taken == nullptr)
        return nullptr;
    victim.remove(*taken);
    taken->place_.store(Place::leaving, std::memory_order_seq_cst);
    taken->virtual_time_ = victim.to_global(taken->virtual_time_);
    taken->home_.store(cpu.raw(), std::memory_order_relaxed);
    return taken;
}

/// One from another queue for @p cpu, or null. A CPU with something of its own to run looks at a few neighbours,
/// others each time; one with nothing looks at all.
Entity* Scheduler::pull(CpuId cpu, std::optional<VirtualTime> own_best) {
    constexpr std::uint32_t kNeighbours = 16;
    auto const others = cpus_ - 1;
    auto const looks = own_best ? std::min(others, kNeighbours) : others;
    std::uint32_t& at = queues_[cpu.raw()].next_victim;
    for (std::uint32_t i = 0; i < looks; ++i) {
        at = (at + 1) % cpus_;
        if (at == cpu.raw())
            at = (at + 1) % cpus_;
        auto const least = queues_[at].peek();
        if (!least || (own_best && !pulls(*least, *own_best)))
            continue;
        if (Entity* const taken = take_from(queues_[at], cpu, own_best); taken != nullptr)
            return taken;
    }
    return nullptr;
}

/// Who runs on @p cpu goes on without further thought: its slice is not over, and nobody is much further behind, or
/// somebody is, but it has just begun.
std::optional<Decision> Scheduler::keep_current(RunQueue& queue, CpuId cpu, std::uint64_t now) {
    Entity& current = *queue.current;
    if (!current.runnable() || !current.may_run_on(cpu) || current.yielded_ || now >= queue.slice_end ||
        !current.draw(now))
        return std::nullopt;
    Decision kept{.next = &current, .until = look_again_at(queue, now)};
    Entity const* const first = queue.first();
    if (first == nullptr || !first->interrupts(current, now))
        return kept;
    auto const protected_until = current.dispatched_ + kLeastRun;
    if (now >= protected_until)
        return std::nullopt;
    kept.until = std::min(kept.until, protected_until);
    return kept;
}

/// When the CPU of @p queue, on which somebody runs, must decide again.
std::uint64_t Scheduler::look_again_at(RunQueue const& queue, std::uint64_t now) {
    return std::min({queue.slice_end, queue.current->means_end(now), queue.due_at()});
}

/// The least virtual time of those that @p cpu could run without taking from others.
std::optional<VirtualTime> Scheduler::best_of(RunQueue const& queue, CpuId cpu) const {
    std::optional<VirtualTime> best;
    if (Entity const* const current = queue.current; current != nullptr)
        if (current->runnable() && current->may_run_on(cpu))
            best = queue.to_global(current->virtual_time_);
    for (Entity const* const waiting : {queue.least(), queue.first()}) {
        if (waiting == nullptr)
            continue;
        auto const time = queue.to_global(waiting->virtual_time_);
        best = best ? earlier(*best, time) : time;
    }
    return best;
}

/// Who rests on @p cpu goes on there: the CPU has been called for it, and nobody waits in the queue.
std::optional<Decision> Scheduler::go_on_resting(RunQueue& queue, CpuId cpu, std::uint64_t now) {
    Entity* const resting = queue.leaving;
    bool const called = resting != nullptr && std::exchange(resting->called_, false) && resting->runnable();
    if (!called || queue.first() != nullptr || !resting->may_run_on(cpu) || !resting->soft_affinity_.test(cpu.raw()))
        return std::nullopt;
    resting->guarantee_.wake(now);
    if (!resting->draw(now))
        return std::nullopt;
    advance(queue, now);
    resting->virtual_time_ = later(resting->virtual_time_, queue.to_local(clock()) - kSleeper);
    resting->resting_ = false;
    queue.leaving = nullptr;
    put_on(queue, *resting, now);
    return Decision{.next = resting, .until = look_again_at(queue, now)};
}

void Scheduler::put_on(RunQueue& queue, Entity& entity, std::uint64_t now) {
    queue.current = &entity;
    entity.place_.store(Place::running, std::memory_order_seq_cst);
    entity.account(now);
    entity.charged_until_ = now;
    entity.dispatched_ = now;
    entity.yielded_ = false;
    queue.slice_end = now + slice(entity.weight());
}

/// Those whose next period has begun, or whose domain's has, wait as others do. Answers which idle CPUs should come for
/// them.
Affinity Scheduler::release_due(RunQueue& queue, std::uint64_t now) {
    Affinity kicks;
    while (queue.due_at() <= now) {
        Entity& due = *queue.next_due();
        queue.remove(due);
        enqueue(queue, due, now, false);
        if (due.bound_to_)
            continue;
        if (auto const idle = idle_.take_any(due.affinity_))
            kicks.set(idle->raw());
    }
    return kicks;
}

/// Takes the first of those that wait, if it goes before @p staying, which may be null. Those whose domain's cap is used
/// up are parked.
Entity* Scheduler::take_first(RunQueue& queue, Entity const* staying, std::uint64_t now) {
    for (;;) {
        Entity* const first = queue.first();
        if (first == nullptr || (staying != nullptr && !first->goes_before(*staying)))
            return nullptr;
        queue.remove(*first);
        if (first->draw(now))
            return first;
        queue.park(*first, first->budget_->refills_at());
    }
}

/// Makes the change, if there is to be one. Without anybody to run, the CPU is in the idle set from here on.
Decision Scheduler::decide(RunQueue& queue, CpuId cpu, std::uint64_t now) {
    Entity* const current = queue.current;
    bool const current_may =
        current != nullptr && current->runnable() && current->may_run_on(cpu) && current->draw(now);
    Entity* const next = take_first(queue, current_may ? current : nullptr, now);

    if (current_may && next == nullptr) {
        queue.slice_end = now + slice(current->weight());
        return {.next = current, .previous = queue.leaving, .until = look_again_at(queue, now)};
    }
    if (current != nullptr) {
        current->give_back(now);
        current->place_.store(Place::leaving, std::memory_order_seq_cst);
        current->account(now);
        queue.leaving = current;
    }
    if (next == nullptr) {
        queue.current = nullptr;
        idle_.add(cpu);
        return {.previous = queue.leaving, .until = queue.due_at()};
    }
    put_on(queue, *next, now);
    return {.next = next, .previous = queue.leaving, .until = look_again_at(queue, now)};
}

Decision Scheduler::schedule(CpuId cpu, std::uint64_t now) {
    ASSERT(cpu.raw() < cpus_);
    Affinity kicks;
    Decision decision = next_on(cpu, kicks, now);
    decision.kicks = kicks;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return decision;
}

Decision Scheduler::next_on(CpuId cpu, Affinity& kicks, std::uint64_t now) {
    RunQueue& queue = queues_[cpu.raw()];
    Decision decision;
    idle_.take(cpu);

    std::optional<VirtualTime> own_best;
    {
        base::LockGuard const guard{queue.lock};
        ASSERT(queue.leaving == nullptr || (queue.leaving->resting_ && queue.current == nullptr));
        kicks = release_due(queue, now);
        if (auto const woken = go_on_resting(queue, cpu, now))
            return *woken;
        if (Entity* const current = queue.current; current != nullptr) {
            current->charge(now);
            current->guarantee_.renew(now);
            if (auto const kept = keep_current(queue, cpu, now))
                return *kept;
            if (current->yielded_ && queue.least() != nullptr)
                current->virtual_time_ = later(current->virtual_time_, queue.least()->virtual_time_ + 1);
            current->yielded_ = false;
        }
        advance(queue, now);
        own_best = best_of(queue, cpu);
    }

    // Once with what is further behind elsewhere. Then, when there is nothing at all, again with anything that has
    // come to wait elsewhere before this CPU was in the idle set; who comes later sees that it is.
    Entity* taken = pull(cpu, own_best);
    do {
        base::LockGuard const guard{queue.lock};
        if (taken != nullptr) {
            idle_.take(cpu);
            taken->virtual_time_ = queue.to_local(taken->virtual_time_);
            enqueue(queue, *taken, now, false);
        }
        decision = decide(queue, cpu, now);
    } while (decision.next == nullptr && (taken = pull(cpu, std::nullopt)) != nullptr);
    return decision;
}

bool Scheduler::rest(Entity& previous) {
    HomeLock const held{*this, previous};
    ASSERT(held->leaving == &previous && held->current == nullptr);
    bool const may = previous.blocked() && previous.pauses_ == 0;
    previous.resting_ = previous.resting_ || may;
    return may;
}

Kick Scheduler::context_saved(Entity& previous, std::uint64_t now) {
    HomeLock held{*this, previous};
    ASSERT(held->leaving == &previous && previous.place() == Place::leaving);
    held->leaving = nullptr;
    bool const slept = std::exchange(previous.resting_, false);
    return settle(std::move(held), previous, now, slept);
}

} // namespace sched
