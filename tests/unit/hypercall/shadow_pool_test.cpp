/// How many pages a domain's shadows take (SP-10): no more than its limit, whatever it makes a table; a toolstack may set that.
#include "unit/hypercall/domain_life.hpp"

namespace {

using namespace test;

class ShadowPool : public DomainLife {
  protected:
    std::int64_t set_limit(domid_t id, std::uint64_t pages) {
        xen_domctl_t op{};
        op.u.paging_mempool.size = pages << base::kPageShift;
        return domctl(XEN_DOMCTL_set_paging_mempool_size, op, id);
    }
    std::uint64_t limit(domid_t id) {
        xen_domctl_t op{};
        EXPECT_EQ(domctl(XEN_DOMCTL_get_paging_mempool_size, op, id), 0);
        return op.u.paging_mempool.size >> base::kPageShift;
    }
    domain::Domain& of(domid_t id) { return *hypervisor.system->find(base::DomId{id}); }
};

TEST_F(ShadowPool, IsLimitedByTheDomainsMemory) {
    auto const id = create();
    fill(id);
    EXPECT_EQ(limit(id), domain::ShadowPool::limit_for(kPages));
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(ShadowPool, OfASizeThatNobodyCanRunOnIsRefused) {
    auto const id = create();
    fill(id);
    auto const least = domain::ShadowPool::least_for(of(id).vcpus.size());
    auto const before = limit(id);
    EXPECT_EQ(set_limit(id, least - 1), kEinval);
    EXPECT_EQ(limit(id), before);
    EXPECT_EQ(set_limit(id, least), 0);
    EXPECT_EQ(limit(id), least);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(ShadowPool, IsNotLeftByMoreThanItsLimitAndTheTablesStay) {
    auto const id = create();
    fill(id);
    pin_tables(id);
    auto& subject = of(id);
    EXPECT_EQ(subject.host.pool().size().in_use, 4U);
    EXPECT_TRUE(subject.paging.shed(1).ok());
    EXPECT_EQ(subject.host.pool().size().in_use, 1U);
    EXPECT_EQ(subject.paging.bare_tables(), 3U);
    for (std::uint64_t level = 4; level > 0; --level)
        EXPECT_EQ(subject.gfns.get(base::Gfn{4 - level}).value().info().state.use(),
                  shadow_pt::table_use(static_cast<unsigned>(level)));
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0) << "and goes with all that its tables hold by their words";
}

TEST_F(ShadowPool, APageThatIsGivenUpWhileATableHoldsItByItsNumberIsThatTablesStill) { // SP-2
    auto const id = create();
    fill(id);
    pin_tables(id);
    auto& subject = of(id);
    EXPECT_TRUE(subject.paging.shed(0).ok());
    base::Gfn const given{10};
    auto const frame = subject.gfns.get(given).value().mfn();
    auto const take = [&](unsigned command) {
        xen_memory_reservation_t reservation{};
        hypervisor.put(kPage, given.raw());
        reservation.extent_start.p = reinterpret_cast<xen_pfn_t*>(kPage);
        reservation.nr_extents = 1;
        reservation.domid = id;
        return call(__HYPERVISOR_memory_op, command, put(reservation, 0x800));
    };
    EXPECT_EQ(take(XENMEM_decrease_reservation), 1);
    EXPECT_FALSE(subject.gfns.get(given).ok());
    EXPECT_EQ(info(frame.raw()).references, 1U) << "the table's";
    EXPECT_EQ(take(XENMEM_populate_physmap), 0) << "the number is not free yet";
    // The entry goes, and with it the page; then the number is.
    EXPECT_TRUE(
        subject.paging.update_entry(base::address_of(base::Gfn{3}) + given.raw() * 8, 0, shadow_pt::UpdateMode::normal)
            .ok());
    EXPECT_EQ(info(frame.raw()).references, 0U);
    EXPECT_EQ(take(XENMEM_populate_physmap), 1);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

} // namespace
