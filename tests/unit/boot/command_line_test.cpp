#include "boot/command_line.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace {

using boot::LogLevel;
using boot::parse_command_line;
using Kind = boot::OptionComplaint::Kind;

boot::Options options(std::string_view text) {
    auto const line = parse_command_line(text);
    EXPECT_TRUE(line.complaints.empty()) << text << ": " << (line.complaints.empty() ? "" : line.complaints[0].word);
    return line.options;
}

TEST(CommandLine, EmptyLeavesTheDefaults) {
    auto const defaults = options("");
    EXPECT_TRUE(defaults.serial_console);
    EXPECT_TRUE(defaults.reboot);
    EXPECT_EQ(defaults.com1.baud, 115200U);
    EXPECT_FALSE(defaults.debug_exit);
}

TEST(CommandLine, ReadsALineWrittenForXen) {
    auto const all = options("console=com1,vga com1=115200,8n1 loglvl=all guest_loglvl=error/all dom0_mem=512M,max:1G "
                             "dom0_max_vcpus=1-2 maxcpus=4 noreboot smap=0 no-smep");
    EXPECT_TRUE(all.serial_console);
    EXPECT_TRUE(all.vga_console);
    EXPECT_EQ(all.log, LogLevel::debug);
    EXPECT_EQ(all.guest_log, LogLevel::error);
    EXPECT_EQ(all.dom0_memory.frames_of(1 << 20).initial, 512U * 256);
    EXPECT_EQ(all.dom0_vcpus.count_of(8), 2U);
    EXPECT_EQ(all.max_cpus, 4U);
    EXPECT_FALSE(all.reboot);
    EXPECT_FALSE(all.smap);
    EXPECT_FALSE(all.smep);
    EXPECT_TRUE(all.x2apic);
}

TEST(CommandLine, ReadsEveryPartOfASerialLine) {
    auto const com1 = options("com1=9600/1843200,7e2,0x2f8,3").com1;
    EXPECT_EQ(com1.baud, 9600U);
    EXPECT_EQ(com1.data_bits, 7);
    EXPECT_EQ(com1.parity, 'e');
    EXPECT_EQ(com1.stop_bits, 2);
    EXPECT_EQ(com1.port, 0x2f8);
    EXPECT_EQ(com1.irq, 3);
    EXPECT_EQ(options("com1=auto").com1.baud, 0U);
    EXPECT_EQ(options("com1=38400").com1.port, 0x3f8);
    EXPECT_EQ(options("com1=,,0x2f8").com1.baud, 115200U);
}

TEST(CommandLine, ReadsWhatIsTernsOwn) {
    auto const own = options("debug-exit=0xf4 umip=off pcid=no x2apic=false tdt=0 xsave=disable mem=1G");
    EXPECT_EQ(own.debug_exit, 0xf4);
    EXPECT_EQ(own.memory_limit, base::Maddr{1 << 30});
    EXPECT_FALSE(own.umip || own.pcid || own.x2apic || own.tsc_deadline || own.xsave);
}

TEST(CommandLine, ReadsEachLogLevel) {
    EXPECT_EQ(options("loglvl=none").log, LogLevel::none);
    EXPECT_EQ(options("loglvl=error").log, LogLevel::error);
    EXPECT_EQ(options("loglvl=warning").log, LogLevel::warning);
    EXPECT_EQ(options("loglvl=info").log, LogLevel::info);
    EXPECT_EQ(options("loglvl=debug").log, LogLevel::debug);
}

TEST(CommandLine, ALaterOptionOverridesAnEarlierOne) {
    EXPECT_EQ(options("loglvl=all loglvl=none").log, LogLevel::none);
    EXPECT_TRUE(options("noreboot noreboot=off").reboot);
    auto const memory = options("dom0_mem=512M dom0_mem=max:1G").dom0_memory;
    EXPECT_TRUE(memory.size && memory.maximum);
}

TEST(CommandLine, AnEmptyConsoleListMeansNone) {
    EXPECT_FALSE(options("console=none").serial_console);
    EXPECT_TRUE(options("console=vga").vga_console);
    EXPECT_FALSE(options("console=vga").serial_console);
}

TEST(CommandLine, ReportsUnknownOptionsAndGoesOn) {
    auto const line = parse_command_line("frobnicate=1 noreboot nonsense");
    ASSERT_EQ(line.complaints.size(), 2U);
    EXPECT_EQ(line.complaints[0].kind, Kind::unknown);
    EXPECT_EQ(line.complaints[0].word, "frobnicate=1");
    EXPECT_EQ(line.complaints[1].word, "nonsense");
    EXPECT_FALSE(line.options.reboot);
}

TEST(CommandLine, NotesXensOptionsThatHaveNoMeaningHere) {
    auto const line = parse_command_line("placeholder watchdog sched=credit2 no-real-mode edd=off no-xpti");
    ASSERT_EQ(line.complaints.size(), 6U);
    for (auto const& one : line.complaints)
        EXPECT_EQ(one.kind, Kind::unneeded) << one.word;
}

TEST(CommandLine, ReportsABadValueAndKeepsTheDefault) {
    for (std::string_view const bad : {"console",
                                       "console=com1,tty",
                                       "no-console",
                                       "com1=fast",
                                       "com1=0",
                                       "com1=115201",
                                       "com1=9600/x",
                                       "com1=9600,8x1",
                                       "com1=9600,9n1",
                                       "com1=9600,8n3",
                                       "com1=9600,8n",
                                       "com1=9600,8n1,0x10000",
                                       "com1=9600,8n1,0",
                                       "com1=9600,8n1,1,256",
                                       "com1=9600,8n1,1,1,1",
                                       "loglvl=loud",
                                       "loglvl=info/loud",
                                       "loglvl",
                                       "dom0_mem=x",
                                       "dom0_mem",
                                       "dom0_max_vcpus=0",
                                       "mem=0",
                                       "mem=x",
                                       "maxcpus=0",
                                       "maxcpus=x",
                                       "maxcpus=4294967296",
                                       "debug-exit=x",
                                       "debug-exit=0",
                                       "debug-exit=65536",
                                       "smap=maybe",
                                       "no-smap=0",
                                       "noreboot=2"}) {
        auto const line = parse_command_line(bad);
        ASSERT_EQ(line.complaints.size(), 1U) << bad;
        EXPECT_EQ(line.complaints[0].kind, Kind::bad_value) << bad;
        EXPECT_TRUE(line.options.serial_console && line.options.smap && line.options.reboot) << bad;
        EXPECT_EQ(line.options.com1.port, 0x3f8) << bad;
        EXPECT_EQ(line.options.com1.data_bits, 8) << bad;
    }
}

TEST(CommandLine, KeepsTheFirstComplaintsIfThereAreVeryMany) {
    std::string text;
    for (int i = 0; i < 100; ++i)
        text += "x" + std::to_string(i) + " ";
    text += "noreboot";
    auto const line = parse_command_line(text);
    EXPECT_TRUE(line.complaints.full());
    EXPECT_EQ(line.complaints[0].word, "x0");
    EXPECT_FALSE(line.options.reboot);
}

TEST(CommandLine, WhatFollowsTwoDashesIsForTheGuest) {
    auto const line = parse_command_line("noreboot --  root=/dev/sda1 quiet");
    EXPECT_EQ(line.guest, "root=/dev/sda1 quiet");
    EXPECT_TRUE(line.complaints.empty());
    EXPECT_EQ(parse_command_line("noreboot").guest, "");
    EXPECT_EQ(parse_command_line("noreboot --").guest, "");
}

TEST(CommandLine, EveryOptionHasANameOfItsOwnAndAHelp) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < boot::option_count(); ++i) {
        auto const [name, help] = boot::option_help(i);
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_FALSE(help.empty()) << name;
        // No option may be hidden by the list of unneeded ones.
        for (auto const& one : parse_command_line(name).complaints)
            EXPECT_NE(one.kind, Kind::unneeded) << name;
    }
}

} // namespace
