/// What is set from outside: weights, affinities, reservations.
#include <utility>

#include "home_lock.hpp"
#include "sched/scheduler.hpp"

namespace sched {

using base::CpuId;
using base::Err;
using base::Error;

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

std::optional<CpuId> Scheduler::room_for(Reserved const& reserved, std::uint32_t part, Affinity const& among,
                                         CpuId rather) const {
    std::optional<CpuId> emptiest;
    for (std::uint32_t cpu = 0; cpu < cpus_; ++cpu) {
        if (!among.test(cpu) || reserved[cpu] + part > kReservable)
            continue;
        if (CpuId{cpu} == rather)
            return rather;
        if (!emptiest || reserved[cpu] < reserved[emptiest->raw()])
            emptiest = CpuId{cpu};
    }
    return emptiest;
}

/// Gives @p entity both @p reservation and @p affinity, and sees that it waits where they say.
base::Result<Kick> Scheduler::bind(Reserved& reserved, Entity& entity, Reservation const& reservation,
                                   Affinity const& affinity, std::uint64_t now) {
    // What is read here is written here only, with `reserved` locked.
    auto const old_part = part_of_cpu(entity.guarantee_.reservation());
    auto const old_cpu = entity.bound_to_;
    if (old_cpu)
        reserved[old_cpu->raw()] -= old_part;
    auto const part = part_of_cpu(reservation);
    std::optional<CpuId> cpu;
    if (reservation.any()) {
        cpu = room_for(reserved, part, affinity, old_cpu.value_or(entity.home()));
        if (!cpu) {
            if (old_cpu)
                reserved[old_cpu->raw()] += old_part;
            return Err{Error::no_space};
        }
        reserved[cpu->raw()] += part;
    }

    HomeLock held{*this, entity};
    bool const waits = entity.place() == Place::waiting;
    if (waits)
        held->remove(entity);
    if (entity.place() == Place::running)
        entity.charge(now);
    entity.affinity_ = affinity;
    entity.bound_to_ = cpu;
    if (reservation != entity.guarantee_.reservation())
        entity.guarantee_.set(reservation, now);
    if (waits)
        return settle(std::move(held), entity, now, false);
    // Elsewhere than on a CPU it is seen to when it settles.
    return entity.place() == Place::running ? Kick{entity.home()} : Kick{};
}

base::Result<Kick> Scheduler::set_affinity(Entity& entity, Affinity const& affinity, std::uint64_t now) {
    if (affinity.find_next(0) >= cpus_)
        return Err{Error::invalid};
    return reserved_.with(
        [&](Reserved& reserved) { return bind(reserved, entity, entity.guarantee_.reservation(), affinity, now); });
}

base::Result<Kick> Scheduler::reserve(Entity& entity, Reservation const& reservation, std::uint64_t now) {
    if (!valid(reservation))
        return Err{Error::invalid};
    return reserved_.with(
        [&](Reserved& reserved) { return bind(reserved, entity, reservation, entity.affinity_, now); });
}

Reservation Scheduler::reservation(Entity const& entity) {
    HomeLock const held{*this, entity};
    return entity.guarantee_.reservation();
}

void Scheduler::set_soft_affinity(Entity& entity, Affinity const& affinity) {
    HomeLock const held{*this, entity};
    entity.soft_affinity_ = affinity;
}

Affinities Scheduler::affinities(Entity const& entity) {
    HomeLock const held{*this, entity};
    return {.hard = entity.affinity_, .soft = entity.soft_affinity_};
}

} // namespace sched
