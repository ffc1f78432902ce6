#include "x86/legacy.hpp"

#include "arch/cpu.hpp"
#include "x86/control.hpp"
#include "x86/port.hpp"
#include "x86/vectors.hpp"

namespace x86 {

namespace {

constexpr std::uint16_t kPicCommand[2] = {0x20, 0xa0};
constexpr std::uint16_t kPicData[2] = {0x21, 0xa1};

constexpr std::uint16_t kPitChannel2 = 0x42;
constexpr std::uint16_t kPitMode = 0x43;
constexpr std::uint16_t kPitGate = 0x61; ///< bit 0: channel 2 counts; bit 1: speaker; bit 5: its output
constexpr std::uint64_t kPitHz = 1'193'182;

constexpr std::uint16_t kRtcIndex = 0x70;
constexpr std::uint16_t kRtcData = 0x71;

/// The count of channel 2 as it was at one moment.
std::uint16_t read_pit() {
    out8(kPitMode, 0x80);
    auto const low = in8(kPitChannel2);
    return static_cast<std::uint16_t>(in8(kPitChannel2) << 8 | low);
}

std::uint8_t read_rtc(std::uint8_t which) {
    out8(kRtcIndex, which);
    return in8(kRtcData);
}

struct RtcTime {
    std::uint8_t second, minute, hour, day, month, year;
    bool operator==(RtcTime const&) const = default;
};

RtcTime read_rtc_time() {
    while ((read_rtc(0x0a) & 0x80) != 0) // being updated
        pause();
    return {read_rtc(0), read_rtc(2), read_rtc(4), read_rtc(7), read_rtc(8), read_rtc(9)};
}

std::uint8_t from_bcd(std::uint8_t value) { return static_cast<std::uint8_t>((value >> 4) * 10 + (value & 15)); }

/// Days from 1970-01-01 to the given day of the Gregorian calendar, in years counted from March.
std::uint64_t days_since_1970(unsigned year, unsigned month, unsigned day) {
    unsigned const y = month <= 2 ? year - 1 : year;
    unsigned const m = (month + 9) % 12;
    unsigned const leap_days = y / 4 - y / 100 + y / 400;
    return std::uint64_t{365} * y + leap_days + (153 * m + 2) / 5 + day - 1 - 719'468;
}

} // namespace

void silence_pics() {
    for (unsigned i = 0; i < 2; ++i) {
        out8(kPicCommand[i], 0x11);                                        // start over, four words
        out8(kPicData[i], static_cast<std::uint8_t>(kLegacyPics + 8 * i)); // vectors
        out8(kPicData[i], i == 0 ? 1U << 2 : 2);                           // the second is on line 2 of the first
        out8(kPicData[i], 1);                                              // 8086 mode
        out8(kPicData[i], 0xff);                                           // all masked
    }
}

std::optional<std::uint64_t> tsc_ticks_by_pit(std::uint32_t microseconds) {
    auto const wanted = static_cast<std::uint32_t>(kPitHz * microseconds / 1'000'000);
    auto const gate = static_cast<std::uint8_t>(in8(kPitGate) & ~3U);
    out8(kPitMode, 0xb0); // channel 2, low and high byte, output rises when the count is over
    out8(kPitGate, gate | 1);
    out8(kPitChannel2, 0xff);
    out8(kPitChannel2, 0xff);

    auto const start = read_pit();
    auto const tsc_start = read_tsc_now();
    std::uint32_t passed = 0;
    std::uint64_t tsc_end = tsc_start;
    bool over = false;
    while (passed < wanted && !over) {
        passed = static_cast<std::uint16_t>(start - read_pit());
        tsc_end = read_tsc_now();
        over = (in8(kPitGate) & 0x20) != 0;
    }
    out8(kPitGate, gate);
    if (over)
        return std::nullopt;
    return (tsc_end - tsc_start) * wanted / passed; // it may have counted past what was wanted
}

} // namespace x86

namespace arch {

std::uint64_t wall_clock_seconds() {
    using namespace x86;
    // Twice the same: no update came in between.
    RtcTime time = read_rtc_time();
    for (RtcTime again = read_rtc_time(); again != time; again = read_rtc_time())
        time = again;
    auto const status = read_rtc(0x0b);
    bool const afternoon = (time.hour & 0x80) != 0;
    time.hour = static_cast<std::uint8_t>(time.hour & 0x7f);
    if ((status & 4) == 0)
        time = {from_bcd(time.second), from_bcd(time.minute), from_bcd(time.hour),
                from_bcd(time.day),    from_bcd(time.month),  from_bcd(time.year)};
    unsigned hour = time.hour;
    if ((status & 2) == 0) // 12 hours
        hour = hour % 12 + (afternoon ? 12U : 0U);
    unsigned const year = time.year < 70 ? 2000U + time.year : 1900U + time.year;
    return ((days_since_1970(year, time.month, time.day) * 24 + hour) * 60 + time.minute) * 60 + time.second;
}

} // namespace arch
