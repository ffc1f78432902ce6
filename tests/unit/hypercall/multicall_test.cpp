/// Multicalls that are preempted: between entries, and in the middle of one (docs/abi.md §3.2, SP-9).
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class Multicall : public Kernel {
  protected:
    static constexpr std::uint64_t kEntries = 0x800;

    template <std::size_t Count> std::int64_t make(std::array<multicall_entry_t, Count> const& entries) {
        return call(__HYPERVISOR_multicall, put(entries, kEntries), Count);
    }
    std::int64_t result(unsigned entry) {
        return static_cast<std::int64_t>(get<multicall_entry_t>(kEntries + entry * sizeof(multicall_entry_t)).result);
    }
    static multicall_entry_t entry(unsigned long number, std::array<unsigned long, 4> const& args) {
        multicall_entry_t made{};
        made.op = number;
        std::copy(args.begin(), args.end(), made.args);
        return made;
    }
};

TEST_F(Multicall, IsContinuedBetweenItsEntriesAndMakesEachOnce) {
    std::array<multicall_entry_t, 4> entries{};
    for (unsigned i = 0; i < entries.size(); ++i) { // each allocates a port
        auto const at = put(evtchn_alloc_unbound_t{.dom = DOMID_SELF, .remote_dom = DOMID_SELF, .port = 0}, 16 * i);
        entries[i] = entry(__HYPERVISOR_event_channel_op, {EVTCHNOP_alloc_unbound, at});
    }
    time_flies();
    EXPECT_EQ(make(entries), 0);
    EXPECT_EQ(hypervisor.continued, 3U);
    auto const first = get<evtchn_alloc_unbound_t>().port;
    for (unsigned i = 0; i < entries.size(); ++i) {
        EXPECT_EQ(result(i), 0);
        EXPECT_EQ(get<evtchn_alloc_unbound_t>(16 * i).port, first + i);
    }
}

TEST_F(Multicall, AnEntryThatIsPreemptedGoesOnWhereItStopped) {
    std::array<mmu_update_t, 5> updates{};
    for (unsigned i = 0; i < updates.size(); ++i)
        updates[i] = {.ptr = blank(0) << 12 | i * 8, .val = i + 1};
    auto const at = put(updates);
    auto const done = put(std::uint32_t{0}, 0x100);
    time_flies();
    EXPECT_EQ(make(std::array{entry(__HYPERVISOR_xen_version, {XENVER_version}),
                              entry(__HYPERVISOR_mmu_update, {at, 5, done, DOMID_SELF}),
                              entry(__HYPERVISOR_xen_version, {XENVER_version})}),
              0);
    EXPECT_GE(hypervisor.continued, 4U);
    EXPECT_EQ(result(0), 4 << 16 | 17);
    EXPECT_EQ(result(1), 0);
    EXPECT_EQ(result(2), 4 << 16 | 17);
    EXPECT_EQ(get<std::uint32_t>(0x100), 5U) << "of all tries together";
    for (unsigned i = 0; i < updates.size(); ++i)
        EXPECT_EQ(arch::frame_as<std::uint64_t>(base::Mfn{blank(0)})[i], i + 1);
}

TEST_F(Multicall, EndsWhereItsEntriesEnd) {
    EXPECT_EQ(call(__HYPERVISOR_multicall, kNowhere, 1), kEfault);
    EXPECT_EQ(call(__HYPERVISOR_multicall, kNowhere, 0), 0);
    // The second entry lies in a page that is not there; the first is made.
    auto const last = kPage + 0x1000 - sizeof(multicall_entry_t);
    ASSERT_EQ(remap(kOtherPage, 0), 0);
    hypervisor.put(last, entry(__HYPERVISOR_xen_version, {XENVER_version}));
    EXPECT_EQ(call(__HYPERVISOR_multicall, last, 2), kEfault);
    EXPECT_EQ(hypervisor.get<multicall_entry_t>(last).result, (4UL << 16) | 17);
}

} // namespace
