#include "sched/scheduler.hpp"

#include <algorithm>
#include <utility>

namespace sched {

using base::CpuId;
using base::Err;
using base::Error;

/// The lock of the queue that is an entity's home. The home changes under that lock only, so it is looked at again
/// once the lock is held.
class [[nodiscard]] Scheduler::HomeLock {
  public:
    HomeLock(Scheduler& scheduler, Entity const& entity) {
        for (;;) {
            auto const home = entity.home_.load(std::memory_order_relaxed);
            queue_ = &scheduler.queues_[home];
            queue_->lock.lock();
            if (entity.home_.load(std::memory_order_relaxed) == home)
                return;
            queue_->lock.unlock();
        }
    }
    HomeLock(HomeLock&& other) noexcept : queue_{std::exchange(other.queue_, nullptr)} {}
    HomeLock& operator=(HomeLock&& other) noexcept {
        release();
        queue_ = std::exchange(other.queue_, nullptr);
        return *this;
    }
    ~HomeLock() { release(); }

    RunQueue& operator*() const { return *queue_; }
    RunQueue* operator->() const { return queue_; }
    void release() {
        if (queue_ != nullptr)
            std::exchange(queue_, nullptr)->lock.unlock();
    }

  private:
    RunQueue* queue_ = nullptr;
};

Scheduler::Scheduler(std::uint32_t cpus) : cpus_{cpus} { ASSERT(cpus > 0 && cpus <= base::kMaxCpus); }

void Scheduler::advance(RunQueue& queue, std::uint64_t now) {
    auto const reached = queue.advance(now, clock());
    auto furthest = clock_.load(std::memory_order_relaxed);
    while (VirtualTime{furthest} < reached &&
           !clock_.compare_exchange_weak(furthest, reached.raw(), std::memory_order_relaxed)) {
    }
}

// --- where entities wait ---------------------------------------------------------------------------------------------

Kick Scheduler::settle(HomeLock held, Entity& entity, std::uint64_t now, bool slept) {
    while (entity.runnable() && !entity.may_run_on(entity.home())) {
        // To another queue, whose lock must not be taken under this one. Between the two the entity is ours, and its
        // virtual time is that of all CPUs.
        auto const to = static_cast<std::uint32_t>(entity.affinity_.find_next(0));
        entity.place_.store(Place::leaving, std::memory_order_seq_cst);
        entity.virtual_time_ = held->to_global(entity.virtual_time_);
        entity.home_.store(to, std::memory_order_relaxed);
        held.release();
        held = HomeLock{*this, entity};
        entity.virtual_time_ = held->to_local(entity.virtual_time_);
    }
    enqueue(*held, entity, now, slept);
    return entity.place() == Place::waiting ? kick_for(entity, *held, now) : Kick{};
}

/// Puts @p entity, in no queue, into @p queue, its home; or off, if it may not run.
void Scheduler::enqueue(RunQueue& queue, Entity& entity, std::uint64_t now, bool slept) {
    if (!entity.runnable()) {
        entity.place_.store(Place::off, std::memory_order_seq_cst);
        entity.account(now);
        return;
    }
    bool const deserted = queue.deserted();
    advance(queue, now);
    auto const others = deserted ? queue.to_local(clock()) : queue.floor();
    if (slept)
        entity.virtual_time_ = later(entity.virtual_time_, others - kSleeper);
    entity.place_.store(Place::waiting, std::memory_order_seq_cst);
    entity.account(now);
    queue.insert(entity);
}

/// @p entity waits in @p queue: who should do something about it?
Kick Scheduler::kick_for(Entity const& entity, RunQueue const& queue, std::uint64_t now) {
    // Whoever is idle elsewhere finds nothing in its own queue, and takes it from here.
    if (!entity.soft_affinity_.test(entity.home().raw())) {
        Affinity preferred = entity.affinity_;
        preferred &= entity.soft_affinity_;
        if (auto const idle = idle_.take_any(preferred))
            return {*idle};
    }
    if (idle_.take(entity.home()))
        return {entity.home()};
    if (auto const idle = idle_.take_any(entity.affinity_))
        return {*idle};
    if (queue.current != nullptr && preempts(entity.virtual_time_, queue.current->virtual_time_at(now)))
        return {entity.home()};
    return {};
}

void Scheduler::add(Entity& entity, CpuId home) {
    ASSERT(entity.off() && home.raw() < cpus_);
    entity.home_.store(home.raw(), std::memory_order_relaxed);
    entity.virtual_time_ = queues_[home.raw()].to_local(clock());
}

base::Status Scheduler::set_weight(Entity& entity, std::uint32_t weight, std::uint64_t now) {
    if (weight < kLeastWeight || weight > kGreatestWeight)
        return Err{Error::invalid};
    HomeLock const held{*this, entity};
    if (entity.place() == Place::running)
        entity.charge(now);
    entity.weight_.store(weight, std::memory_order_relaxed);
    entity.charge_rest_ = 0;
    return {};
}

base::Result<Kick> Scheduler::set_affinity(Entity& entity, Affinity const& affinity, std::uint64_t now) {
    if (affinity.find_next(0) >= cpus_)
        return Err{Error::invalid};
    HomeLock held{*this, entity};
    entity.affinity_ = affinity;
    if (entity.may_run_on(entity.home()))
        return Kick{};
    switch (entity.place()) {
    case Place::waiting: held->remove(entity); return settle(std::move(held), entity, now, false);
    case Place::running: return Kick{entity.home()};
    case Place::leaving:
    case Place::off: break; // it is seen to when it settles
    }
    return Kick{};
}

void Scheduler::set_soft_affinity(Entity& entity, Affinity const& affinity) {
    HomeLock const held{*this, entity};
    entity.soft_affinity_ = affinity;
}

Affinities Scheduler::affinities(Entity const& entity) {
    HomeLock const held{*this, entity};
    return {.hard = entity.affinity_, .soft = entity.soft_affinity_};
}

// --- stopping and going on -------------------------------------------------------------------------------------------

Kick Scheduler::pause(Entity& entity, std::uint64_t now) {
    HomeLock const held{*this, entity};
    ++entity.pauses_;
    switch (entity.place()) {
    case Place::waiting:
        held->remove(entity);
        entity.place_.store(Place::off, std::memory_order_seq_cst);
        [[fallthrough]];
    case Place::off: entity.account(now); break;
    case Place::running: return {entity.home()};
    case Place::leaving: return kick_if_resting(entity);
    }
    return {};
}

/// The CPU where @p entity rests must look again. Otherwise whoever moves it does.
Kick Scheduler::kick_if_resting(Entity const& entity) {
    return entity.place() == Place::leaving && entity.resting_ ? Kick{entity.home()} : Kick{};
}

/// @p entity may go on. If its CPU has been called for somebody else already, it serves that one, and this one goes where
/// others are idle.
Kick Scheduler::call(Entity& entity) {
    Kick const kick = kick_if_resting(entity);
    if (kick.cpu)
        entity.called_ = idle_.take(*kick.cpu);
    return kick;
}

Kick Scheduler::resume(Entity& entity, std::uint64_t now) {
    HomeLock held{*this, entity};
    ASSERT(entity.pauses_ != 0);
    --entity.pauses_;
    if (entity.place() != Place::off || !entity.runnable())
        return {};
    return settle(std::move(held), entity, now, true);
}

void Scheduler::block(Entity& entity) { entity.blocked_.store(true, std::memory_order_seq_cst); }

Kick Scheduler::wake(Entity& entity, std::uint64_t now) {
    if (!entity.blocked())
        return {};
    HomeLock held{*this, entity};
    if (!entity.blocked())
        return {};
    entity.blocked_.store(false, std::memory_order_seq_cst);
    if (entity.place() != Place::off)
        return call(entity); // schedule() or context_saved() will see that it may go on
    return settle(std::move(held), entity, now, true);
}

void Scheduler::yield(Entity& entity) { entity.yielded_ = true; }

Kick Scheduler::runs_on(Entity const& entity) const {
    return entity.place() == Place::running ? Kick{entity.home()} : Kick{};
}

// --- deciding --------------------------------------------------------------------------------------------------------

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
    if (!current.runnable() || !current.may_run_on(cpu) || current.yielded_ || now >= queue.slice_end)
        return std::nullopt;
    Entity const* const best = queue.least();
    if (best == nullptr || !preempts(best->virtual_time_, current.virtual_time_))
        return Decision{.next = &current, .until = queue.slice_end};
    auto const protected_until = std::min(current.dispatched_ + kLeastRun, queue.slice_end);
    if (now >= protected_until)
        return std::nullopt;
    return Decision{.next = &current, .until = protected_until};
}

/// The least virtual time of those that @p cpu could run without taking from others.
std::optional<VirtualTime> Scheduler::best_of(RunQueue const& queue, CpuId cpu) const {
    std::optional<VirtualTime> best;
    if (Entity const* const current = queue.current; current != nullptr)
        if (current->runnable() && current->may_run_on(cpu))
            best = queue.to_global(current->virtual_time_);
    if (Entity const* const least = queue.least(); least != nullptr) {
        auto const time = queue.to_global(least->virtual_time_);
        best = best ? earlier(*best, time) : time;
    }
    return best;
}

/// Who rests on @p cpu goes on there: the CPU has been called for it, and nobody waits in the queue.
std::optional<Decision> Scheduler::go_on_resting(RunQueue& queue, CpuId cpu, std::uint64_t now) {
    Entity* const resting = queue.leaving;
    bool const called = resting != nullptr && std::exchange(resting->called_, false) && resting->runnable();
    if (!called || queue.least() != nullptr || !resting->may_run_on(cpu) || !resting->soft_affinity_.test(cpu.raw()))
        return std::nullopt;
    advance(queue, now);
    resting->virtual_time_ = later(resting->virtual_time_, queue.to_local(clock()) - kSleeper);
    resting->resting_ = false;
    queue.leaving = nullptr;
    put_on(queue, *resting, now);
    return Decision{.next = resting, .until = queue.slice_end};
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

/// Makes the change, if there is to be one. Without anybody to run, the CPU is in the idle set from here on.
Decision Scheduler::decide(RunQueue& queue, CpuId cpu, std::uint64_t now) {
    Entity* const current = queue.current;
    Entity* const best = queue.least();
    bool const current_may = current != nullptr && current->runnable() && current->may_run_on(cpu);
    bool const current_stays = current_may && (best == nullptr || !(best->virtual_time_ < current->virtual_time_));

    if (!current_stays) {
        if (current != nullptr) {
            current->place_.store(Place::leaving, std::memory_order_seq_cst);
            current->account(now);
            queue.leaving = current;
        }
        if (best == nullptr) {
            queue.current = nullptr;
            idle_.add(cpu);
            return {.previous = queue.leaving};
        }
        queue.remove(*best);
        put_on(queue, *best, now);
    } else {
        queue.slice_end = now + slice(current->weight());
    }
    return {.next = queue.current, .previous = queue.leaving, .until = queue.slice_end};
}

Decision Scheduler::schedule(CpuId cpu, std::uint64_t now) {
    ASSERT(cpu.raw() < cpus_);
    RunQueue& queue = queues_[cpu.raw()];
    Decision decision;
    idle_.take(cpu);

    std::optional<VirtualTime> own_best;
    {
        base::LockGuard const guard{queue.lock};
        ASSERT(queue.leaving == nullptr || (queue.leaving->resting_ && queue.current == nullptr));
        if (auto const woken = go_on_resting(queue, cpu, now)) {
            std::atomic_thread_fence(std::memory_order_seq_cst);
            return *woken;
        }
        if (Entity* const current = queue.current; current != nullptr) {
            current->charge(now);
            if (auto const kept = keep_current(queue, cpu, now)) {
                std::atomic_thread_fence(std::memory_order_seq_cst);
                return *kept;
            }
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
    std::atomic_thread_fence(std::memory_order_seq_cst);
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
