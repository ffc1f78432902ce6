/// What each structure of a record may say: one thing wrong at a time.
#include <functional>

#include <gtest/gtest.h>

#include "unit/record/sample.hpp"

namespace {

using namespace test;
using base::Error;

using Change = std::function<void(Sample&)>;

void expect_refused(Change const& change) {
    Sample sample;
    change(sample);
    auto const status = read_all(sample.written());
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error(), Error::invalid);
}
void expect_taken(Change const& change) {
    Sample sample;
    change(sample);
    EXPECT_TRUE(read_all(sample.written()).ok());
}

TEST(RecordCheck, ADomainHasLimitsThatCanBe) {
    expect_refused([](Sample& sample) { sample.domain.vcpus = 0; });
    expect_refused([](Sample& sample) { sample.domain.vcpus = 257; });
    expect_refused([](Sample& sample) { sample.domain.address_size = 32; });
    expect_refused([](Sample& sample) { sample.domain.max_ports = 0; });
    expect_refused([](Sample& sample) { sample.domain.max_ports = 4097; });
    expect_refused([](Sample& sample) { sample.domain.max_grant_version = 3; });
    expect_refused([](Sample& sample) { sample.domain.max_grant_frames = 65; });
    expect_refused([](Sample& sample) { sample.domain.shut_down = 2; });
    expect_refused([](Sample& sample) { sample.domain.weight = 0; });
}

TEST(RecordCheck, TimesAndCpusAreWhatTheyCanBe) {
    expect_refused([](Sample& sample) { sample.cpu.unused = 1; });
    expect_refused([](Sample& sample) { sample.cpu.xcr0 = 6; });
    expect_refused([](Sample& sample) { sample.time.tsc_khz = 0; });
    expect_refused([](Sample& sample) { sample.time.wall_nanoseconds = 1'000'000'000; });
    expect_refused([](Sample& sample) { sample.time.tsc_stable = 2; });
}

TEST(RecordCheck, AMemoryMapHasAnEnd) {
    expect_refused([](Sample& sample) { sample.ranges.resize(129); });
    expect_refused([](Sample& sample) { sample.ranges[0].unused = 1; });
    expect_taken([](Sample& sample) { sample.ranges.clear(); });
}

TEST(RecordCheck, AVcpuWithoutAContextDoesNothing) {
    expect_refused([](Sample& sample) { sample.vcpus[1].flags = TERN_RECORD_V_up; });
    expect_refused([](Sample& sample) { sample.vcpus[1].flags = TERN_RECORD_V_blocked; });
    expect_refused([](Sample& sample) { sample.vcpus[0].flags |= 0x800; });
    expect_refused([](Sample& sample) { sample.vcpus[0].io_bitmap_ports = 65537; });
    expect_refused([](Sample& sample) { sample.vcpus[0].tsc_aux = std::uint64_t{1} << 32; });
    expect_taken([](Sample& sample) { sample.vcpus[1].flags = TERN_RECORD_V_nmi_pending; });
}

TEST(RecordCheck, AContextComesWithItsExtendedState) {
    expect_refused([](Sample& sample) { sample.vcpus[1].flags = TERN_RECORD_V_initialised; });
    expect_refused([](Sample& sample) { sample.vcpus[0].flags = 0; });
}

TEST(RecordCheck, TimersHaveAPeriodThatCanBe) {
    expect_refused([](Sample& sample) { sample.timers.runstate = 4; });
    expect_refused([](Sample& sample) { sample.timers.unused = 1; });
    expect_refused([](Sample& sample) { sample.timers.period = 5'000'000; });
    expect_refused([](Sample& sample) { sample.timers.periodic = 1; });
    expect_refused([](Sample& sample) { sample.timers.periodic = 1, sample.timers.period = 999'999; });
    expect_refused([](Sample& sample) { sample.timers.periodic = 1, sample.timers.period = std::uint64_t{1} << 63; });
    expect_taken([](Sample& sample) { sample.timers.periodic = 1, sample.timers.period = 1'000'000; });
}

TEST(RecordCheck, WordsAreWithinAPage) {
    expect_refused([](Sample& sample) { sample.areas.vcpu_info_offset = 64; });
    expect_refused([](Sample& sample) { sample.areas.vcpu_info_gfn = 5, sample.areas.vcpu_info_offset = 4033; });
    expect_refused([](Sample& sample) { sample.areas.vcpu_info_gfn = 5, sample.areas.vcpu_info_offset = 4040; });
    expect_refused([](Sample& sample) { sample.areas.vcpu_info_gfn = 5, sample.areas.vcpu_info_offset = ~7U; });
    expect_refused([](Sample& sample) { sample.areas.vcpu_info_gfn = record::kEndGfn; });
    expect_taken([](Sample& sample) { sample.areas.vcpu_info_gfn = 5, sample.areas.vcpu_info_offset = 4032; });
}

TEST(RecordCheck, PortsAreBelowTheLimitAndRise) {
    expect_refused([](Sample& sample) { sample.table.limit = 0; });
    expect_refused([](Sample& sample) { sample.table.limit = 4097; });
    expect_refused([](Sample& sample) { sample.table.limit = 8; });
    expect_refused([](Sample& sample) { sample.table.unused = 1; });
    expect_refused([](Sample& sample) { sample.channels[0].port = 0; });
    expect_refused([](Sample& sample) { sample.channels[1].port = 1; });
    expect_refused([](Sample& sample) { std::swap(sample.channels[1], sample.channels[2]); });
}

TEST(RecordCheck, APortIsBoundToWhatThereIs) {
    expect_refused([](Sample& sample) { sample.channels[0].state = EVTCHNSTAT_closed; });
    expect_refused([](Sample& sample) { sample.channels[0].state = EVTCHNSTAT_pirq; });
    expect_refused([](Sample& sample) { sample.channels[0].vcpu = 2; });
    expect_refused([](Sample& sample) { sample.channels[0].priority = 1; });
    expect_refused([](Sample& sample) { sample.channels[0].number = DOMID_SELF + 1; });
    expect_refused([](Sample& sample) { sample.channels[0].peer = 0; });
    expect_refused([](Sample& sample) { sample.channels[1].peer = 1; });
    expect_refused([](Sample& sample) { sample.channels[2].number = NR_VIRQS; });
    expect_refused([](Sample& sample) { sample.channels[4].number = 1; });
}

TEST(RecordCheck, AVirqIsBoundOnce) {
    expect_refused([](Sample& sample) { sample.channels[3].vcpu = 0; });
    expect_refused([](Sample& sample) { sample.channels[2].number = sample.channels[3].number = VIRQ_CONSOLE; });
    expect_taken([](Sample& sample) { sample.channels[2].number = VIRQ_CONSOLE; });
}

TEST(RecordCheck, EndsWithinTheDomainNameEachOther) {
    expect_refused([](Sample& sample) { sample.channels[5].peer = 7; });
    expect_refused([](Sample& sample) { sample.channels[5].peer = 1; });
    expect_refused([](Sample& sample) { sample.channels[6].peer = 8; });
    expect_refused([](Sample& sample) { sample.channels.pop_back(); });
}

TEST(RecordCheck, AGrantTableHasItsFrames) {
    expect_refused([](Sample& sample) { sample.grants.version = 3; });
    expect_refused([](Sample& sample) { sample.grants.frames = 65; });
    expect_taken([](Sample& sample) { sample.grants.version = 2, sample.grants.frames = 64; });
    expect_refused([](Sample& sample) { sample.shared_info = 4088; });
}

TEST(RecordCheck, TablesRiseAndHaveALevel) {
    expect_refused([](Sample& sample) { std::swap(sample.tables[0], sample.tables[1]); });
    expect_refused([](Sample& sample) { sample.tables[1] = sample.tables[0]; });
    expect_refused([](Sample& sample) { sample.tables[1] = TERN_RECORD_TABLE(1, 0, 0); });
    expect_refused([](Sample& sample) { sample.tables[1] = TERN_RECORD_TABLE(1, 5, 0); });
    expect_refused([](Sample& sample) { sample.tables[1] |= std::uint64_t{1} << 60; });
    expect_refused([](Sample& sample) { sample.tables[2] = TERN_RECORD_TABLE(record::kEndGfn, 1, 0); });
    expect_refused([](Sample& sample) {
        sample.tables.clear();
        for (std::uint64_t gfn = 0; gfn < 70; ++gfn)
            sample.tables.push_back(TERN_RECORD_TABLE(gfn == 64 ? 63 : gfn, 1, 0)); // across two pieces
    });
}

TEST(RecordCheck, AHostHasAllThatTheGuestWasTold) {
    Sample const sample;
    EXPECT_TRUE(record::fits(sample.cpu, sample.cpu).ok());
    auto more = sample.cpu;
    more.features[11] = 1;
    more.xcr0 |= 0xe0;
    more.signature = 99;
    EXPECT_TRUE(record::fits(sample.cpu, more).ok());
    EXPECT_EQ(record::fits(more, sample.cpu).error(), Error::no_device);
    auto other = sample.cpu;
    other.vendor[2] = 9;
    EXPECT_EQ(record::fits(sample.cpu, other).error(), Error::no_device);
}

} // namespace
