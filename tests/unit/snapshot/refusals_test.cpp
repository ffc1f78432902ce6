/// What cannot be read or written, and that a domain is as it was after it (abi/tern.h).
#include <functional>

#include "unit/snapshot/two_hosts.hpp"

namespace {

using namespace test;

class RecordRefused : public TwoHosts {
  protected:
    /// The record, with something in it changed: @p where a section begins, in @p field of its structure.
    template <typename T> Bytes with(std::uint32_t type, std::function<void(T&)> const& change) {
        auto bytes = take(1);
        BytesSource source{bytes};
        auto const contents = std::make_unique<record::Contents>();
        record::Reader reader{source, *contents};
        EXPECT_TRUE(reader.open().ok());
        auto* const at = bytes.data() + contents->place(type, 0).at;
        T value{};
        std::memcpy(&value, at, sizeof value);
        change(value);
        std::memcpy(at, &value, sizeof value);
        return bytes;
    }
    void expect_refused(Bytes const& bytes, std::int64_t error, std::uint16_t flags = TERN_RECORD_cooperative) {
        auto const id = twin();
        EXPECT_EQ(restore(id, bytes, flags), error);
        expect_empty(id);
        EXPECT_EQ(restore(id, take(1), flags), 0) << "as it was: what is good can be restored";
    }
};

TEST_F(RecordRefused, OfDomainZeroAndOfNobody) {
    std::uint64_t size = kBufferSize;
    EXPECT_EQ(take_into(0, kBuffer, size), kEinval);
    EXPECT_EQ(take_into(77, kBuffer, size), kEsrch);
}

TEST_F(RecordRefused, WhileItRunsButForTheLength) {
    other.go();
    std::uint64_t size = kBufferSize;
    EXPECT_EQ(take_into(1, kBuffer, size), kEbusy);
    EXPECT_EQ(take_into(1, 0, size), 0);
    auto const told = size;
    other.stop();
    EXPECT_EQ(take(1).size(), told);
}

TEST_F(RecordRefused, WithoutRoomAndTellsHowMuchWillDo) {
    auto const length = take(1).size();
    std::uint64_t size = length - 1;
    EXPECT_EQ(take_into(1, kBuffer, size), kEnobufs);
    EXPECT_EQ(size, length);
    size = length;
    EXPECT_EQ(take_into(1, kBuffer, size), 0);
    size = length;
    EXPECT_EQ(take_into(1, kNowhere, size), kEfault);
    EXPECT_EQ(take(1).size(), length) << "what failed is not gone on with";
}

TEST_F(RecordRefused, ByADomainThatIsNotPausedOrHasRun) {
    auto const bytes = take(1);
    EXPECT_EQ(restore(1, bytes, TERN_RECORD_cooperative), kEbusy);
    auto const id = twin();
    ASSERT_EQ(domctl(XEN_DOMCTL_unpausedomain, id), 0);
    EXPECT_EQ(restore(id, bytes, TERN_RECORD_cooperative), kEbusy);
    EXPECT_EQ(restore(id, bytes, TERN_RECORD_cooperative | TERN_RECORD_clock_stood), kEinval);
    EXPECT_EQ(restore(id, bytes, 0x8000), kEinval);
}

TEST_F(RecordRefused, ByAHostWithLessOfACpu) {
    expect_refused(with<tern_record_cpu>(TERN_RECORD_S_cpu, [](auto& cpu) { cpu.features[5] = ~0U; }), kEnodev);
    expect_refused(with<tern_record_cpu>(TERN_RECORD_S_cpu, [](auto& cpu) { cpu.xcr0 |= 1U << 9; }), kEnodev);
    expect_refused(with<tern_record_cpu>(TERN_RECORD_S_cpu, [](auto& cpu) { ++cpu.vendor[0]; }), kEnodev);
}

TEST_F(RecordRefused, ForAnotherNumberOfVcpusPortsOrFrames) {
    auto const bytes = take(1);
    EXPECT_EQ(restore(twin(SecondDomain::kFrames, 2), bytes, TERN_RECORD_cooperative), kErange);
    EXPECT_EQ(restore(twin(SecondDomain::kFrames, 1, 1023), bytes, TERN_RECORD_cooperative), kErange);
    EXPECT_EQ(restore(twin(SecondDomain::kFrames - 1), bytes, TERN_RECORD_cooperative), kEnodata);
}

TEST_F(RecordRefused, ForFieldsThatSayWhatCannotBe) {
    expect_refused(with<tern_record_domain>(TERN_RECORD_S_domain, [](auto& domain) { domain.vm_assist = 1ULL << 63; }),
                   kEinval);
    expect_refused(with<tern_record_vcpu>(TERN_RECORD_S_vcpu, [](auto& vcpu) { vcpu.flags |= 1U << 31; }), kEinval);
    expect_refused(with<tern_record_extended_state>(TERN_RECORD_S_extended_state, [](auto& it) { it.xcr0 |= 1 << 8; }),
                   kEinval);
    expect_refused(with<tern_record_timers>(TERN_RECORD_S_timers, [](auto& timers) { timers.runstate = 9; }), kEinval);
}

TEST_F(RecordRefused, ForAContextThatSetContextRefusesAndPinsAreGivenBack) {
    struct Both {
        tern_record_vcpu vcpu;
        vcpu_guest_context_t context;
    };
    auto const not_canonical =
        with<Both>(TERN_RECORD_S_vcpu, [](Both& both) { both.context.user_regs.rip = 0x8000'0000'0000; });
    expect_refused(not_canonical, kEinval);
    expect_refused(not_canonical, kEinval, 0);
    constexpr std::uint64_t kNoRoot = 2ULL << 12; // an L2
    expect_refused(with<Both>(TERN_RECORD_S_vcpu, [](Both& both) { both.context.ctrlreg[3] = kNoRoot; }), kEinval);
    expect_refused(with<Both>(TERN_RECORD_S_vcpu, [](Both& both) { both.vcpu.sysenter_callback = 1ULL << 63; }),
                   kEinval);
}

TEST_F(RecordRefused, ForTablesThatTheMemoryIsNot) {
    struct Tables {
        tern_record_tables memory;
        std::uint64_t entries[4];
    };
    expect_refused(with<Tables>(TERN_RECORD_S_tables,
                                [](Tables& tables) {
                                    tables.entries[2] = TERN_RECORD_TABLE(2, 4, 1); // an L2 that is to be an L4
                                }),
                   kEinval);
    expect_refused(
        with<Tables>(TERN_RECORD_S_tables, [](Tables& tables) { std::swap(tables.entries[0], tables.entries[1]); }),
        kEinval);
}

TEST_F(RecordRefused, ForWordsInAPageThatIsATable) {
    expect_refused(with<tern_record_areas>(TERN_RECORD_S_areas, [](auto& areas) { areas.vcpu_info_gfn = 3; }), kEinval,
                   0);
    expect_refused(
        with<tern_record_areas>(TERN_RECORD_S_areas, [](auto& areas) { areas.time = HYPERVISOR_VIRT_START; }), kEinval,
        0);
}

TEST_F(RecordRefused, TransparentlyForGrantsThatItHadMapped) {
    expect_refused(with<tern_record_domain>(TERN_RECORD_S_domain, [](auto& domain) { domain.mapped_grants = 1; }),
                   kEopnotsupp, 0);
}

TEST_F(RecordRefused, TransparentlyWhereSomebodyHasBound) {
    auto const bytes = take(1);
    auto const id = twin();
    auto const port = domain_of(id).events.alloc_unbound(base::DomId{0}).value();
    auto const end = hypervisor.dom0->events.bind_interdomain(domain_of(id).events, port).value().port;
    EXPECT_EQ(restore(id, bytes, 0), kEbusy);
    expect_empty(id);
    EXPECT_TRUE(hypervisor.dom0->events.close(end).ok());
    EXPECT_EQ(restore(id, bytes, 0), 0);
}

TEST_F(RecordRefused, WithReservationsThatThereIsNoRoomFor) {
    auto const wanted = with<tern_record_vcpu>(TERN_RECORD_S_vcpu, [](auto& vcpu) {
        vcpu.reserved_period = 10'000'000;
        vcpu.reserved_slice = 9'900'000;
    });
    expect_refused(wanted, kEnospc);
}

TEST_F(RecordRefused, AlsoWhenItIsPreemptedAllTheTime) {
    auto bytes = with<tern_record_areas>(TERN_RECORD_S_areas, [](auto& areas) { areas.vcpu_info_gfn = 3; });
    auto const id = twin();
    time_flies();
    EXPECT_EQ(restore(id, bytes, 0), kEinval);
    EXPECT_GT(hypervisor.continued, 2U);
    expect_empty(id);
}

TEST_F(RecordRefused, ToASecondCallerWhileTheFirstIsNotDone) {
    auto const bytes = take(1);
    auto const id = twin();
    time_flies();
    hypervisor.most_continuations = 1;
    static_cast<void>(restore(id, bytes, 0));
    hypervisor.most_continuations = ~0U;
    tern_record request{.domain = id, .flags = 0, .unused = 0, .size = bytes.size(), .buffer = kBuffer + 4096};
    EXPECT_EQ(record_op(TERN_set_record, request), kEbusy);
    std::uint64_t size = kBufferSize;
    EXPECT_EQ(take_into(id, kBuffer, size), kEbusy);
    EXPECT_EQ(restore(id, bytes, 0), 0);
}

} // namespace
