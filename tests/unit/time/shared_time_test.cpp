// What guests read while it changes: time areas, the wall clock.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "timing/time_info.hpp"
#include "timing/wall_clock.hpp"

namespace {

using base::Error;
using timing::SystemClock;
using timing::TscStable;
using timing::WallTime;

/// What a guest computes (<xen/xen.h>).
std::uint64_t guest_time(vcpu_time_info_t const& info, std::uint64_t tsc) {
    auto const delta = tsc - info.tsc_timestamp;
    auto const shifted = info.tsc_shift < 0 ? delta >> -info.tsc_shift : delta << info.tsc_shift;
    return info.system_time +
           static_cast<std::uint64_t>(static_cast<unsigned __int128>(shifted) * info.tsc_to_system_mul >> 32);
}

TEST(TimeInfo, LetsAGuestComputeWhatTheHypervisorComputes) {
    for (std::uint64_t const khz : {800'000, 2'000'000, 3'456'789}) {
        SystemClock const clock{1'000, khz};
        auto const info = timing::time_info(clock, 77'000'000, TscStable::no);
        for (std::uint64_t tsc = 77'000'000; tsc < 30'000'000'000; tsc += 1'234'567'891)
            EXPECT_NEAR(static_cast<double>(guest_time(info, tsc)), static_cast<double>(clock.now(tsc)), 3.0);
    }
}

TEST(TimeInfo, HasAMultiplierFromTheStart) { // Linux divides by it at once
    EXPECT_NE(timing::time_info(SystemClock{0, 2'000'000}, 0, TscStable::no).tsc_to_system_mul, 0u);
}

TEST(TimeInfo, SaysWhetherTscsRunInStep) {
    SystemClock const clock{0, 2'000'000};
    EXPECT_EQ(timing::time_info(clock, 0, TscStable::yes).flags, XEN_PVCLOCK_TSC_STABLE_BIT);
    EXPECT_EQ(timing::time_info(clock, 0, TscStable::no).flags, 0);
}

TEST(TimeInfo, ItsVersionIsEvenAndDifferentAfterEachUpdate) {
    vcpu_time_info_t area{};
    auto const info = timing::time_info(SystemClock{0, 2'000'000}, 4'000'000'000, TscStable::no);
    timing::publish(area, info);
    EXPECT_EQ(area.version, 2u);
    EXPECT_EQ(area.system_time, 2'000'000'000u);
    timing::publish(area, info);
    EXPECT_EQ(area.version, 4u);
}

TEST(TimeInfo, AVersionThatTheGuestScribbledOnIsEvenAfterTheNextUpdate) {
    vcpu_time_info_t area{};
    for (std::uint32_t const scribble : {7u, 0xffffffffu, 8u}) {
        area.version = scribble;
        timing::publish(area, {});
        EXPECT_EQ(area.version % 2, 0u);
        EXPECT_NE(area.version, scribble);
    }
}

vcpu_time_info_t numbered(std::uint64_t i) {
    vcpu_time_info_t info{};
    info.tsc_timestamp = i;
    info.system_time = i;
    info.tsc_to_system_mul = static_cast<std::uint32_t>(i);
    return info;
}

TEST(TimeInfo, AReaderThatFollowsTheProtocolNeverSeesHalfAnUpdate) {
    vcpu_time_info_t area{};
    std::atomic<bool> stop{false};
    std::thread writer{[&] {
        for (std::uint64_t i = 1; !stop.load(std::memory_order_relaxed); ++i)
            timing::publish(area, numbered(i));
    }};
    int whole = 0;
    while (whole < 500'000) {
        auto const before = std::atomic_ref{area.version}.load(std::memory_order_acquire);
        auto const tsc = std::atomic_ref{area.tsc_timestamp}.load(std::memory_order_relaxed);
        auto const time = std::atomic_ref{area.system_time}.load(std::memory_order_relaxed);
        auto const mul = std::atomic_ref{area.tsc_to_system_mul}.load(std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (before % 2 != 0 || std::atomic_ref{area.version}.load(std::memory_order_relaxed) != before)
            continue;
        ASSERT_EQ(tsc, time);
        ASSERT_EQ(static_cast<std::uint32_t>(time), mul);
        ++whole;
    }
    stop.store(true);
    writer.join();
}

TEST(TimeInfo, OfTscsInStepIsTheSameAtAllTimes) {
    SystemClock const clock{1'000, 2'000'000};
    auto const info = timing::time_info(clock, 77'000'000, TscStable::yes);
    EXPECT_TRUE(timing::same_time(info, timing::time_info(clock, 99'000'000, TscStable::yes)));
    EXPECT_EQ(guest_time(info, 99'000'000), clock.now(99'000'000));
    EXPECT_FALSE(timing::same_time(info, timing::time_info(clock, 77'000'000, TscStable::no)));
}

TEST(TimeInfo, WrittenByCopyingItIsOddWheneverItIsNotWhole) {
    vcpu_time_info_t area{}, shown{};
    bool whole = true;
    auto const write = [&](std::size_t offset, std::span<std::byte const> bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) { // octet by octet, as a reader on another CPU may find it
            reinterpret_cast<std::byte*>(&area)[offset + i] = bytes[i];
            whole = whole && (area.version % 2 != 0 || area.tsc_timestamp == area.system_time);
        }
        return true;
    };
    for (std::uint64_t const i : {0x0101'0101'0101'0101u, 0x0202'0202'0202'0202u}) {
        EXPECT_TRUE(timing::publish(shown, numbered(i), write));
        EXPECT_EQ(area.system_time, i);
        EXPECT_EQ(area.version, shown.version);
    }
    EXPECT_TRUE(whole);
    EXPECT_EQ(area.version, 4u);
}

TEST(TimeInfo, ACopyThatFailsIsNotTakenForShown) {
    vcpu_time_info_t shown{};
    for (unsigned failing = 0; failing < 3; ++failing) {
        unsigned count = 0;
        EXPECT_FALSE(timing::publish(shown, numbered(1), [&](auto, auto) { return count++ != failing; }));
        EXPECT_TRUE(timing::same_time(shown, {}));
    }
}

TEST(WallClock, IsTheTimeOfDayWhenSystemTimeWasZero) {
    auto const at_boot = timing::wall_time_at_boot({1'700'000'010, 250'000'000}, 10'000'000'000).value();
    EXPECT_EQ(at_boot, (WallTime{1'700'000'000, 250'000'000}));
}

TEST(WallClock, BorrowsASecondForItsNanoseconds) {
    auto const at_boot = timing::wall_time_at_boot({100, 100}, 1'000'000'200).value();
    EXPECT_EQ(at_boot, (WallTime{98, 999'999'900}));
}

TEST(WallClock, SecondsOfAnySizeAreKept) {
    auto const far = timing::wall_time_at_boot({~std::uint64_t{0}, 0}, 0).value();
    EXPECT_EQ(far, (WallTime{~std::uint64_t{0}, 0}));
}

TEST(WallClock, RefusesATimeBefore1970AndOneThatIsNotNormal) {
    EXPECT_EQ(timing::wall_time_at_boot({5, 0}, 5'000'000'001).error(), Error::invalid);
    EXPECT_EQ(timing::wall_time_at_boot({0, 0}, ~std::uint64_t{0}).error(), Error::invalid);
    EXPECT_EQ(timing::wall_time_at_boot({5, 1'000'000'000}, 0).error(), Error::invalid);
    EXPECT_TRUE(timing::wall_time_at_boot({5, 0}, 5'000'000'000).ok());
}

TEST(WallClock, IsPublishedWithAnEvenVersionAndAllItsBits) {
    auto shared = std::make_unique<shared_info_t>();
    shared->wc_version = 5; // a guest's scribble
    timing::publish(*shared, {0x1'2345'6789, 42});
    EXPECT_EQ(shared->wc_version, 6u);
    EXPECT_EQ(shared->wc_sec, 0x2345'6789u);
    EXPECT_EQ(shared->wc_sec_hi, 1u);
    EXPECT_EQ(shared->wc_nsec, 42u);
    timing::publish(*shared, {});
    EXPECT_EQ(shared->wc_version, 8u);
}

} // namespace
