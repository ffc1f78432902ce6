/// A guest goes on in a new domain without having been told (docs/domain-record.md).
#include "domain/areas.hpp"
#include "domain/log_dirty.hpp"
#include "domain/special_gfns.hpp"
#include "domain/timers.hpp"
#include "timing/wall_clock.hpp"
#include "unit/snapshot/two_hosts.hpp"

namespace {

using namespace test;

class TransparentRecord : public TwoHosts {
  protected:
    static constexpr std::uint64_t kSecond = 1'000'000'000;

    events::EventTable& events() { return other.domain->events; }
    void pass(std::uint64_t ns) { hypervisor.machine.tsc += ns * (hypervisor.machine.tsc_khz / 1000) / 1000; }
    domid_t moved(std::uint16_t flags = 0) {
        auto const bytes = take(1);
        auto const id = twin();
        EXPECT_EQ(restore(id, bytes, flags), 0);
        return id;
    }
    evtchn_status_t status(domid_t id, std::uint32_t port) {
        return domain_of(id).events.status(base::Port{port}).value();
    }
};

TEST_F(TransparentRecord, IsTheSameWhenItIsReadAgain) {
    ASSERT_TRUE(events().alloc_unbound(base::DomId{0}).ok());
    ASSERT_TRUE(events().bind_virq(VIRQ_TIMER, base::VcpuId{0}).ok());
    ASSERT_TRUE(events().bind_virq(VIRQ_DEBUG, base::VcpuId{0}).ok());
    ASSERT_TRUE(events().bind_ipi(base::VcpuId{0}).ok());
    auto const within = events().alloc_unbound(base::DomId{1}).value();
    ASSERT_TRUE(events().bind_interdomain(events(), within).ok());
    ASSERT_TRUE(domain::register_vcpu_info(other.vcpu(), other.vcpu(), base::Gfn{7}, 0x40).ok());
    ASSERT_TRUE(domain::register_time_area(other.vcpu(), base::Vaddr{0x8000}).ok());
    other.vcpu().runstate_area = base::Vaddr{0x8100};
    other.vcpu().in_nmi = true;
    domain::set_singleshot_timer(other.vcpu(), hypervisor.system->now() + 100 * kSecond);
    domain::set_periodic_timer(other.vcpu(), kSecond);
    other.domain->grants.with([](grants::Grants& both) {
        ASSERT_TRUE(both.table.grow_to(2).ok());
        ASSERT_TRUE(both.table.seed(base::GrantRef{1}, base::DomId{0}, base::Gfn{8}).ok());
    });
    ASSERT_TRUE(other.domain->memory_map.with(
        [](auto& map) { return map.push_back({.address = 0, .size = 0x10000, .type = domain::kE820Ram}); }));
    other.domain->budget.set_cap(50);
    auto const first = take(1);
    auto const id = twin();
    ASSERT_EQ(restore(id, first, 0), 0);
    expect_same(timeless(first), timeless(take(id)));
}

TEST_F(TransparentRecord, IsTheSameWhileWhatTheDomainWritesIsTracked) {
    domain::quota(*other.domain).set_limit(SecondDomain::kFrames + 3);
    auto add_frame = [&, next = SecondDomain::kFrames]() mutable {
        EXPECT_TRUE(domain::add_extent(*other.domain, base::Pfn{next}, 0, 0).ok());
        return base::Gfn{next++};
    };
    auto const table_before = add_frame();
    ASSERT_TRUE(other.domain->paging.pin(1, table_before).ok());
    ASSERT_TRUE(domain::start_log_dirty(*other.domain).ok());
    auto const table_since = add_frame(), table_no_more = add_frame();
    ASSERT_TRUE(other.domain->paging.pin(1, table_since).ok());
    ASSERT_TRUE(other.domain->paging.pin(2, table_no_more).ok());
    ASSERT_TRUE(other.domain->paging.unpin(table_no_more).ok());
    ASSERT_TRUE(other.domain->log.knows_tables());
    auto const tracked = take(1);
    domain::stop_log_dirty(*other.domain);
    ASSERT_FALSE(other.domain->log.knows_tables());
    expect_same(timeless(tracked), timeless(take(1)));
}

TEST_F(TransparentRecord, PortsKeepTheirNumbersAndOthersCanBindToThemAgain) {
    auto& dom0 = hypervisor.dom0->events;
    auto const console = events().alloc_unbound(base::DomId{0}).value();
    auto const store = events().alloc_unbound(base::DomId{0}).value();
    ASSERT_TRUE(dom0.bind_interdomain(events(), store).ok());
    auto const timer = events().bind_virq(VIRQ_TIMER, base::VcpuId{0}).value();
    auto const id = moved();
    EXPECT_EQ(status(id, console.raw()).status, std::uint32_t{EVTCHNSTAT_unbound});
    EXPECT_EQ(status(id, store.raw()).status, std::uint32_t{EVTCHNSTAT_unbound}) << "bound before";
    EXPECT_EQ(status(id, store.raw()).u.unbound.dom, 0);
    EXPECT_EQ(status(id, timer.raw()).status, std::uint32_t{EVTCHNSTAT_virq});
    EXPECT_EQ(status(id, timer.raw()).u.virq, std::uint32_t{VIRQ_TIMER});
    EXPECT_TRUE(dom0.bind_interdomain(domain_of(id).events, store).ok());
    EXPECT_EQ(domain_of(id).events.bind_virq(VIRQ_TIMER, base::VcpuId{0}).error(), base::Error::exists);
    EXPECT_NE(domain_of(id).events.raise_virq(VIRQ_TIMER, base::VcpuId{0}).owner, nullptr);
}

TEST_F(TransparentRecord, AChannelWithinTheDomainStaysOne) {
    auto const one = events().alloc_unbound(base::DomId{1}).value();
    auto const end = events().bind_interdomain(events(), one).value().port;
    auto const id = moved();
    EXPECT_EQ(status(id, one.raw()).u.interdomain.dom, id);
    EXPECT_EQ(status(id, one.raw()).u.interdomain.port, end.raw());
    auto& table = domain_of(id).events;
    static_cast<void>(table.send(one).value());
    EXPECT_TRUE(table.is_pending(end).value());
    EXPECT_TRUE(table.close(one).ok());
    EXPECT_EQ(status(id, end.raw()).status, std::uint32_t{EVTCHNSTAT_unbound});
}

TEST_F(TransparentRecord, PortsThatTheToolstackHadMadeGiveWay) {
    auto const timer = events().bind_virq(VIRQ_TIMER, base::VcpuId{0}).value();
    auto const bytes = take(1);
    auto const id = twin();
    ASSERT_EQ(domain_of(id).events.alloc_unbound(base::DomId{0}).value(), timer);
    ASSERT_EQ(domain_of(id).events.alloc_unbound(base::DomId{0}).value(), base::Port{2});
    ASSERT_EQ(restore(id, bytes, 0), 0);
    EXPECT_EQ(status(id, 1).status, std::uint32_t{EVTCHNSTAT_virq});
    EXPECT_EQ(status(id, 2).status, std::uint32_t{EVTCHNSTAT_closed});
}

TEST_F(TransparentRecord, WhoHasBoundToAPortAlreadyStaysBoundAndIsLookedAt) {
    auto& dom0 = hypervisor.dom0->events;
    auto const console = events().alloc_unbound(base::DomId{0}).value();
    ASSERT_TRUE(dom0.bind_interdomain(events(), console).ok());
    auto const bytes = take(1);
    auto const id = twin();
    auto& there = domain_of(id);
    ASSERT_EQ(there.events.alloc_unbound(base::DomId{0}).value(), console);
    auto const reader = dom0.bind_interdomain(there.events, console).value().port;
    ASSERT_EQ(restore(id, bytes, 0), 0);
    EXPECT_EQ(status(id, console.raw()).status, std::uint32_t{EVTCHNSTAT_interdomain});
    EXPECT_EQ(status(id, console.raw()).u.interdomain.port, reader.raw());
    EXPECT_TRUE(there.events.is_pending(console).value()) << "what it was told meanwhile is not lost";
    EXPECT_EQ(there.shared.vcpu_info[0].evtchn_upcall_pending, 1);
    EXPECT_TRUE(there.events.send(console).ok());
}

TEST_F(TransparentRecord, WhoHasMappedAGrantAlreadyKeepsIt) {
    auto const seed = [](domain::Domain& domain) {
        domain.grants.with([](grants::Grants& both) {
            ASSERT_TRUE(both.table.grow_to(1).ok());
            ASSERT_TRUE(both.table.seed(base::GrantRef{1}, base::DomId{0}, base::Gfn{8}).ok());
        });
    };
    seed(*other.domain);
    auto const bytes = take(1);
    auto const id = twin();
    seed(domain_of(id));
    gnttab_map_grant_ref_t map{};
    map.host_addr = kOtherPage;
    map.flags = GNTMAP_host_map;
    map.ref = 1;
    map.dom = id;
    ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, put(map, 0x800), 1), 0);
    map = get<gnttab_map_grant_ref_t>(0x800);
    ASSERT_EQ(map.status, GNTST_okay);
    ASSERT_EQ(restore(id, bytes, 0), 0);
    auto const flags = [&] {
        return domain_of(id).grants.with(
            [](grants::Grants& both) { return arch::frame_as<grant_entry_v1>(both.table.shared_frame(0))[1].flags; });
    };
    EXPECT_EQ(flags(), GTF_permit_access | GTF_reading | GTF_writing);
    gnttab_unmap_grant_ref_t unmap{};
    unmap.host_addr = kOtherPage;
    unmap.handle = map.handle;
    ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, put(unmap, 0x800), 1), 0);
    EXPECT_EQ(flags(), GTF_permit_access);
}

TEST_F(TransparentRecord, WhatWasPendingIsAndWakesWhoWaited) {
    auto const port = events().bind_ipi(base::VcpuId{0}).value();
    hypervisor.system->scheduler.block(other.vcpu().entity);
    auto const before = take(1);
    other.domain->shared.vcpu_info[0].evtchn_upcall_mask = 0;
    static_cast<void>(events().unmask(port).value());
    static_cast<void>(events().send(port).value());           // bits only: nobody is woken
    other.domain->shared.vcpu_info[0].evtchn_pending_sel = 0; // the word was copied before the event came
    other.domain->shared.vcpu_info[0].evtchn_upcall_pending = 0;
    auto const after = take(1);
    auto const sleeper = twin();
    ASSERT_EQ(restore(sleeper, before, 0), 0);
    EXPECT_TRUE(vcpu_of(sleeper).entity.blocked());
    auto const woken = twin();
    ASSERT_EQ(restore(woken, after, 0), 0);
    EXPECT_FALSE(vcpu_of(woken).entity.blocked());
    EXPECT_TRUE(domain_of(woken).events.is_pending(port).value());
    EXPECT_EQ(domain_of(woken).shared.vcpu_info[0].evtchn_pending_sel, 1U);
    static_cast<void>(hypervisor.system->scheduler.wake(other.vcpu().entity, 0));
}

TEST_F(TransparentRecord, TheClockGoesOnAndSoDoTimers) {
    pass(1000 * kSecond);
    auto const deadline = hypervisor.system->now() + 100 * kSecond;
    domain::set_singleshot_timer(other.vcpu(), deadline);
    auto const bytes = take(1);
    pass(30 * kSecond);
    auto const id = twin();
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_clock_stood), 0);
    auto& domain = domain_of(id);
    auto const now = hypervisor.system->now();
    EXPECT_NEAR(static_cast<double>(domain.guest_time(now)), 1000.0 * kSecond, 1e7);
    EXPECT_EQ(vcpu_of(id).singleshot.setting().deadline, domain.host_time(deadline));
    EXPECT_NEAR(static_cast<double>(vcpu_of(id).singleshot.setting().deadline - now), 100.0 * kSecond, 1e7);
    auto const& time = domain.shared.vcpu_info[0].time;
    EXPECT_EQ(time.system_time, domain.guest_time(hypervisor.system->clock.now(time.tsc_timestamp)));
    // The time of day is the same, seen from a system time that is 30 s behind.
    EXPECT_EQ(domain.shared.wc_sec, hypervisor.dom0->shared.wc_sec + 30);
}

TEST_F(TransparentRecord, TimeThatHasGoneByIsCountedByTheTimeOfDay) {
    domain::set_wall_clock(*hypervisor.system, {.seconds = 1'700'000'000, .nanoseconds = 5});
    pass(50 * kSecond);
    auto const bytes = take(1);
    pass(30 * kSecond);
    auto const id = twin();
    ASSERT_EQ(restore(id, bytes, 0), 0);
    EXPECT_EQ(domain_of(id).clock_offset.load(), 0U) << "it is the same host";
    // Another host, whose system time began 70 s later.
    auto earlier = bytes;
    BytesSource source{bytes};
    auto const contents = std::make_unique<record::Contents>();
    record::Reader reader{source, *contents};
    ASSERT_TRUE(reader.open().ok());
    auto time = reader.time().value();
    time.system_time += 70 * kSecond;
    std::memcpy(earlier.data() + contents->of_domain[TERN_RECORD_S_time].at, &time, sizeof time);
    auto const there = twin();
    ASSERT_EQ(restore(there, earlier, 0), 0);
    EXPECT_EQ(domain_of(there).clock_offset.load(), 70 * kSecond);
    // One whose clock of the day is behind: no time goes backwards.
    time.wall_seconds += 3600;
    std::memcpy(earlier.data() + contents->of_domain[TERN_RECORD_S_time].at, &time, sizeof time);
    auto const behind = twin();
    ASSERT_EQ(restore(behind, earlier, 0), 0);
    EXPECT_EQ(domain_of(behind).guest_time(hypervisor.system->now()), time.system_time);
}

TEST_F(TransparentRecord, GrantsAreThereAndNobodyHasThemMapped) {
    other.domain->grants.with([](grants::Grants& both) {
        ASSERT_TRUE(both.table.grow_to(2).ok());
        ASSERT_TRUE(both.table.seed(base::GrantRef{600}, base::DomId{0}, base::Gfn{8}).ok());
        auto& entry = arch::frame_as<grant_entry_v1>(both.table.shared_frame(1))[600 - 512];
        entry.flags = static_cast<std::uint16_t>(entry.flags | GTF_reading | GTF_writing);
    });
    auto const id = moved();
    auto& domain = domain_of(id);
    domain.grants.with([](grants::Grants& both) {
        EXPECT_EQ(both.table.version(), 1U);
        ASSERT_EQ(both.table.frames(), 2U);
        auto const& entry = arch::frame_as<grant_entry_v1>(both.table.shared_frame(1))[600 - 512];
        EXPECT_EQ(entry.flags, std::uint16_t{GTF_permit_access});
        EXPECT_EQ(entry.frame, 8U);
        EXPECT_EQ(both.table.in_use(), 0U);
    });
    for (std::uint64_t i = 0; i < 2; ++i)
        EXPECT_TRUE(domain.gfns.get(domain::kFirstGrantGfn + i).ok()) << "its tables may lead there";
}

TEST_F(TransparentRecord, AGrantTableOfVersionTwoStaysOne) {
    other.domain->grants.with([](grants::Grants& both) {
        ASSERT_TRUE(both.table.grow_to(1).ok());
        ASSERT_TRUE(both.table.set_version(2, [](base::Mfn) { return false; }).ok());
        arch::frame_as<grant_entry_v2>(both.table.shared_frame(0))[9].full_page = {
            .hdr = {.flags = GTF_permit_access, .domid = 0}, .pad0 = 0, .frame = 8};
    });
    auto const id = moved();
    domain_of(id).grants.with([](grants::Grants& both) {
        EXPECT_EQ(both.table.version(), 2U);
        EXPECT_EQ(arch::frame_as<grant_entry_v2>(both.table.shared_frame(0))[9].full_page.frame, 8U);
    });
    EXPECT_TRUE(domain_of(id).gfns.get(domain::kFirstStatusGfn).ok());
}

TEST_F(TransparentRecord, WordsThatWereRegisteredAreWhereTheyWere) {
    ASSERT_TRUE(domain::register_vcpu_info(other.vcpu(), other.vcpu(), base::Gfn{7}, 0x40).ok());
    other.vcpu().info()->evtchn_upcall_mask = 1;
    auto const id = moved();
    auto const* const words_there = reinterpret_cast<std::byte const*>(words(id, 7)) + 0x40;
    EXPECT_EQ(reinterpret_cast<std::byte const*>(vcpu_of(id).info()), words_there);
    EXPECT_EQ(vcpu_of(id).info()->evtchn_upcall_mask, 1);
}

TEST_F(TransparentRecord, TheTimeAreasVersionGoesOn) {
    ASSERT_TRUE(domain::register_time_area(other.vcpu(), base::Vaddr{0x8000}).ok());
    other.vcpu().time_area_shows.version = 8;
    auto const id = moved();
    EXPECT_EQ(vcpu_of(id).time_area.raw(), 0x8000U);
    EXPECT_EQ(vcpu_of(id).time_area_shows.version, 8U);
}

TEST_F(TransparentRecord, WhatHadShutDownHas) {
    domain::shut_down(*other.domain, SHUTDOWN_poweroff);
    auto const id = moved();
    EXPECT_TRUE(domain_of(id).shut_down.load());
    EXPECT_EQ(domain_of(id).shutdown_code.load(), std::uint32_t{SHUTDOWN_poweroff});
}

TEST_F(TransparentRecord, BothCallsAreContinuedWhereTheyStopped) {
    other.domain->grants.with([](grants::Grants& both) { ASSERT_TRUE(both.table.grow_to(3).ok()); });
    ASSERT_TRUE(events().bind_virq(VIRQ_TIMER, base::VcpuId{0}).ok());
    auto const first = take(1);
    time_flies();
    auto const second = take(1);
    EXPECT_GT(hypervisor.continued, 0U);
    expect_same(timeless(first), timeless(second));
    auto const id = twin();
    ASSERT_EQ(restore(id, second, 0), 0);
    EXPECT_GT(hypervisor.continued, 0U);
    expect_same(timeless(first), timeless(take(id)));
}

} // namespace
