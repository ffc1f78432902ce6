#include "console/console.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "arch_fake/machine.hpp"
#include "console/global.hpp"

namespace {

using console::Level;
using console::UpTo;
using testing::HasSubstr;
using testing::Not;

std::string serial;
std::uint64_t time_now;

class Consoles : public testing::Test {
  protected:
    Consoles() {
        serial.clear();
        time_now = 0;
    }
    void say(std::string_view text) { console.write_dom0({text.data(), text.size()}); }
    void guest_says(std::string_view text, std::uint16_t domain = 1) {
        console.write_guest(base::DomId{domain}, line, {text.data(), text.size()});
    }
    void show_all() { console.set_thresholds({UpTo::debug, UpTo::debug}, {UpTo::debug, UpTo::debug}); }
    std::string history_text() {
        std::string out(console::History::kSize, ' ');
        out.resize(console.read_history(std::nullopt, out).size);
        return out;
    }

    std::unique_ptr<console::History> history = std::make_unique<console::History>();
    console::Console console{[](std::span<char const> text) { serial.append(text.data(), text.size()); }, *history};
    console::GuestLine line;
};

TEST_F(Consoles, ALineHasAPrefixAndAnEnd) {
    console.print(Level::warning, "{} frames", 7);
    EXPECT_EQ(serial, "(TERN) 7 frames\r\n");
    EXPECT_EQ(history_text(), "(TERN) 7 frames\n");
}

TEST_F(Consoles, LinesCarryTheTimeOnceThereIsAClock) {
    console.set_clock([] { return time_now; });
    time_now = 12'345'678'999;
    console.print(Level::error, "now");
    EXPECT_EQ(serial, "(TERN) [   12.345678] now\r\n");
}

TEST_F(Consoles, OnlyLevelsWithinTheThresholdAreShown) {
    console.set_thresholds({UpTo::warning, UpTo::warning}, {UpTo::none, UpTo::none});
    console.print(Level::info, "chatter");
    console.print_guest(Level::error, "guest");
    EXPECT_EQ(serial, "");
    console.print(Level::warning, "careful");
    EXPECT_THAT(serial, HasSubstr("careful"));
    console.always("dump");
    EXPECT_THAT(serial, HasSubstr("dump"));
}

TEST_F(Consoles, AGuestCanCauseOnlySoManyLines) {
    console.set_clock([] { return time_now; });
    for (int i = 0; i < 1000; ++i)
        console.print_guest(Level::warning, "bad {}", i);
    EXPECT_EQ(std::count(serial.begin(), serial.end(), '\n'), console::RateLimit::kBurst);
    console.print(Level::error, "the hypervisor is not limited");
    EXPECT_THAT(serial, HasSubstr("not limited"));

    serial.clear();
    time_now += console::RateLimit::kInterval;
    console.print_guest(Level::warning, "again");
    EXPECT_THAT(serial, HasSubstr("990 messages were dropped"));
    EXPECT_THAT(serial, HasSubstr("again"));
}

TEST_F(Consoles, WithoutALimitAGuestsLinesAreAllShown) {
    show_all();
    for (int i = 0; i < 100; ++i)
        console.print_guest(Level::debug, "{}", i);
    EXPECT_EQ(std::count(serial.begin(), serial.end(), '\n'), 100);
}

TEST_F(Consoles, ALineThatIsTooLongIsCutAndSaysSo) {
    console.print(Level::error, "{}", std::string_view{std::string(1000, 'x')});
    EXPECT_THAT(serial, HasSubstr("xxx...\r\n"));
    EXPECT_EQ(serial.size(), 7 + console::Console::kLongestLine + 5);
}

TEST_F(Consoles, Dom0sBytesGoThroughAsTheyAre) {
    say("\x1b[31mred\x1b[0m\tlogin: ");
    EXPECT_EQ(serial, "\x1b[31mred\x1b[0m\tlogin: ");
    say("x\ny\r\nz\r");
    EXPECT_EQ(serial, "\x1b[31mred\x1b[0m\tlogin: x\r\ny\r\nz\r");
    say("\n");
    EXPECT_EQ(serial, "\x1b[31mred\x1b[0m\tlogin: x\r\ny\r\nz\r\n"); // one CR is enough
}

TEST_F(Consoles, ALineOfTheHypervisorBeginsAtTheMarginEvenInTheMiddleOfOneOfDom0) {
    say("login: ");
    console.print(Level::error, "help");
    EXPECT_EQ(serial, "login: \r\n(TERN) help\r\n");
    say("root\n");
    console.print(Level::error, "again");
    EXPECT_EQ(serial, "login: \r\n(TERN) help\r\nroot\r\n(TERN) again\r\n");
}

TEST_F(Consoles, AGuestsLinesAreCollectedAndPrefixed) {
    guest_says("Linux ver");
    EXPECT_EQ(serial, "");
    guest_says("sion 6.1\nnext");
    EXPECT_EQ(serial, "(d1) Linux version 6.1\r\n");
    guest_says("\n");
    EXPECT_EQ(serial, "(d1) Linux version 6.1\r\n(d1) next\r\n");
}

TEST_F(Consoles, AGuestCannotControlTheTerminal) {
    guest_says("a\x1b[2Jb\rc\x07\x7f\x80\xff\tz\n");
    EXPECT_EQ(serial, "(d1) a[2Jbc\tz\r\n");
}

TEST_F(Consoles, AGuestsLineWithoutEndIsBroken) {
    show_all();
    guest_says(std::string(450, 'x'));
    EXPECT_EQ(serial, "(d1) " + std::string(200, 'x') + "\r\n(d1) " + std::string(200, 'x') + "\r\n");
    guest_says("\n");
    EXPECT_THAT(serial, HasSubstr("(d1) " + std::string(50, 'x') + "\r\n"));
}

TEST_F(Consoles, AGuestCannotPretendToBeAnother) {
    guest_says("(TERN) all is well\n(d0) root\n", 3);
    EXPECT_EQ(serial, "(d3) (TERN) all is well\r\n(d3) (d0) root\r\n");
}

TEST_F(Consoles, AGuestCannotFloodTheConsole) {
    guest_says(std::string(5000, '\n'));
    EXPECT_EQ(std::count(serial.begin(), serial.end(), '\n'), console::RateLimit::kBurst);
}

TEST_F(Consoles, ASilencedGuestIsSilent) {
    console.set_thresholds(console::kHostThresholds, {UpTo::none, UpTo::none});
    guest_says("hello\n");
    EXPECT_EQ(serial, "");
    EXPECT_TRUE(line.empty());
}

TEST_F(Consoles, TheHistoryIsReadAndCleared) {
    console.print(Level::error, "one");
    std::string out(100, ' ');
    auto const read = console.read_history(std::nullopt, out);
    console.clear_history_to(read.next);
    console.print(Level::error, "two");
    EXPECT_EQ(history_text(), "(TERN) two\n");
}

TEST_F(Consoles, LinesOfSeveralCpusDoNotMix) {
    std::vector<std::thread> cpus;
    for (int cpu = 0; cpu < 2; ++cpu) {
        cpus.emplace_back([&, cpu] {
            for (int i = 0; i < 300; ++i)
                console.print(Level::error, "cpu {} says {} and {}", cpu, i, i);
        });
    }
    for (auto& cpu : cpus)
        cpu.join();
    std::istringstream lines{serial};
    std::regex const whole{R"(\(TERN\) cpu \d says (\d+) and \1\r)"};
    int count = 0;
    for (std::string one; std::getline(lines, one); ++count)
        ASSERT_TRUE(std::regex_match(one, whole)) << one;
    EXPECT_EQ(count, 600);
}

TEST_F(Consoles, APanicIsHeardThoughTheLockIsHeld) {
    // A CPU that was stopped while it wrote: it never comes back from here.
    static console::Console* speaking;
    static bool panicked;
    panicked = false;
    console::Console stuck{[](std::span<char const> text) {
                               serial.append(text.data(), text.size());
                               if (std::exchange(panicked, true))
                                   return;
                               speaking->break_lock();
                               speaking->always("panic");
                           },
                           *history};
    speaking = &stuck;
    stuck.always("ordinary");
    EXPECT_THAT(serial, HasSubstr("panic"));
}

TEST(TheConsole, WritesToTheSerialLineOfTheMachine) {
    arch_fake::Machine machine;
    console::error("{} is {}", base::Mfn{0x12}, base::Error::busy);
    console::print(Level::error, "and so on");
    console::always("this");
    console::warning("w");
    console::debug("not at this level");
    EXPECT_THAT(machine.console_output, HasSubstr("(TERN) M12 is busy\r\n(TERN) and so on\r\n(TERN) this\r\n"));
    EXPECT_THAT(machine.console_output, Not(HasSubstr("not at this level")));
}

} // namespace
