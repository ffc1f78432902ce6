#include "sched/scheduler.hpp"

#include <algorithm>
#include <utility>

#include "home_lock.hpp"

namespace sched {

using base::CpuId;

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
        auto const to =
            entity.bound_to_ ? entity.bound_to_->raw() : static_cast<std::uint32_t>(entity.affinity_.find_next(0));
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
    slept ? entity.guarantee_.wake(now) : entity.guarantee_.renew(now);
    entity.place_.store(Place::waiting, std::memory_order_seq_cst);
    entity.account(now);
    queue.insert(entity);
}

/// @p entity waits in @p queue: who should do something about it?
Kick Scheduler::kick_for(Entity const& entity, RunQueue const& queue, std::uint64_t now) {
    auto const interrupts = [&] { return queue.current != nullptr && entity.interrupts(*queue.current, now); };
    if (entity.bound_to_) {
        // Its CPU alone can run it, and must see when its next period begins.
        bool const idle = idle_.take(entity.home());
        return idle || entity.lane() == Lane::share || interrupts() ? Kick{entity.home()} : Kick{};
    }
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
    return interrupts() ? Kick{entity.home()} : Kick{};
}

void Scheduler::add(Entity& entity, CpuId home, Budget* budget) {
    ASSERT(entity.off() && home.raw() < cpus_);
    entity.budget_ = budget;
    entity.home_.store(home.raw(), std::memory_order_relaxed);
    entity.virtual_time_ = queues_[home.raw()].to_local(clock());
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

void Scheduler::restore(Entity& entity, bool blocked, vcpu_runstate_info_t const& runstate) {
    HomeLock const held{*this, entity};
    if (entity.place() != Place::off || entity.pauses_ == 0)
        return;
    entity.blocked_.store(blocked, std::memory_order_seq_cst);
    entity.runstate_.restore(runstate);
}

void Scheduler::yield(Entity& entity) { entity.yielded_ = true; }

Kick Scheduler::runs_on(Entity const& entity) const {
    return entity.place() == Place::running ? Kick{entity.home()} : Kick{};
}

} // namespace sched
