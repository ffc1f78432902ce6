/// What domain 0 reads from the serial line (docs/abi.md §3.8).
#include "domain/console.hpp"
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class ConsoleIo : public Kernel {
  protected:
    void type(std::string_view text) {
        hypervisor.machine.console_input += text;
        while (!hypervisor.machine.console_input.empty())
            domain::poll_console(*hypervisor.system);
    }
    std::int64_t read(std::uint64_t most, std::uint64_t at = kScratch) {
        return call(__HYPERVISOR_console_io, CONSOLEIO_read, most, at);
    }
    std::string text(std::size_t size) {
        std::string answer;
        for (std::size_t i = 0; i < size; ++i)
            answer += get<char>(i);
        return answer;
    }
};

TEST_F(ConsoleIo, ReadsWhatWasTypedOnceAndInOrder) {
    type("hello");
    EXPECT_EQ(read(3), 3);
    EXPECT_EQ(text(3), "hel");
    EXPECT_EQ(read(100), 2);
    EXPECT_EQ(text(2), "lo");
    EXPECT_EQ(read(100), 0) << "nothing is left";
    EXPECT_EQ(read(0), 0);
}

TEST_F(ConsoleIo, ReadsALongTextWholly) {
    std::string long_text;
    for (unsigned i = 0; i < 600; ++i)
        long_text += static_cast<char>('a' + i % 26);
    type(long_text);
    EXPECT_EQ(read(1000), 600);
    EXPECT_EQ(text(600), long_text);
}

TEST_F(ConsoleIo, ABufferThatIsNotTheGuestsIsRefused) {
    type("hello");
    EXPECT_EQ(read(5, kNowhere), kEfault);
    EXPECT_EQ(read(5, kHole), kEfault);
    EXPECT_EQ(read(100), 5) << "and what was typed is not lost for that";
    EXPECT_EQ(call(__HYPERVISOR_console_io, CONSOLEIO_write, 5, kHole), kEfault);
}

TEST_F(ConsoleIo, AWriteIsContinuedAndSaysEachCharacterOnce) {
    for (unsigned i = 0; i < 600; ++i)
        put(static_cast<char>('a' + i % 26), i);
    time_flies();
    auto const before = hypervisor.machine.console_output.size();
    EXPECT_EQ(call(__HYPERVISOR_console_io, CONSOLEIO_write, 600, kScratch), 0);
    EXPECT_GT(hypervisor.continued, 0U);
    EXPECT_EQ(hypervisor.machine.console_output.substr(before), text(600));
}

TEST_F(ConsoleIo, OtherCommandsAreNotThere) { EXPECT_EQ(call(__HYPERVISOR_console_io, 7, 1, kScratch), kEnosys); }

} // namespace
