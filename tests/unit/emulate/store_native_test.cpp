/// The emulation of stores against the CPU itself: random instructions with random operands are carried out both by
/// StoreOperation and by the processor that runs this test, and must agree on the entry, every register and every
/// defined flag.
#include "emulate/store.hpp"

#include <iomanip>
#include <sstream>

#include <gtest/gtest.h>

#include "emulate/rflags.hpp"
#include "unit/emulate/applied.hpp"
#include "unit/emulate/code.hpp"
#include "unit/emulate/native.hpp"
#include "unit/emulate/random_stores.hpp"

namespace emulate {
namespace {

using test::Trial;

std::string describe(char const* name, Trial const& trial) {
    std::ostringstream text;
    text << name << std::hex << std::setfill('0');
    for (std::byte const byte : trial.bytes)
        text << ' ' << std::setw(2) << std::to_integer<unsigned>(byte);
    text << ", entry " << trial.entry << ", flags " << trial.registers.rflags << ": ";
    return text.str();
}

struct StoreNative : testing::Test {
    test::Native native;
    test::RandomStores random{1, native.entry_address(), native.instruction_address()};

    /// Carries @p trial out both ways.
    testing::AssertionResult agree(Trial const& trial, char const* name, std::uint64_t undefined_flags = 0) {
        auto const failure = [&] { return testing::AssertionFailure() << describe(name, trial) << std::hex; };
        base::Vaddr const fault{native.entry_address()};
        auto const store = decode_store(
            trial.bytes, CodeMode::bits64, trial.registers, [] { return SegmentBases{}; }, fault);
        if (!store)
            return failure() << "refused, " << static_cast<int>(store.error());
        auto const emulated = test::applied(store.value(), trial.entry, trial.registers);

        arch::Registers registers = trial.registers;
        std::uint64_t entry = trial.entry;
        native.run(trial.bytes, registers, entry);

        if (emulated.entry != entry)
            return failure() << "entry " << emulated.entry << " instead of " << entry;
        if (emulated.registers.rip != trial.registers.rip + trial.bytes.size())
            return failure() << "length " << emulated.registers.rip - trial.registers.rip;
        for (unsigned number = 0; number < 16; ++number) {
            std::uint64_t const ours = full_register(emulated.registers, number);
            std::uint64_t const theirs = full_register(registers, number);
            if (ours != theirs)
                return failure() << "register " << number << ' ' << ours << " instead of " << theirs;
        }
        std::uint64_t const compared = (kStatusFlags | kDirection) & ~undefined_flags;
        if (((emulated.registers.rflags ^ registers.rflags) & compared) != 0)
            return failure() << "flags " << emulated.registers.rflags << " instead of " << registers.rflags;
        return testing::AssertionSuccess();
    }
};

TEST_F(StoreNative, AgreesWithTheProcessor) {
    for (test::Recipe const& recipe : test::store_recipes())
        for (unsigned i = 0; i < 600; ++i)
            ASSERT_TRUE(agree(random.make(recipe), recipe.name, recipe.undefined_flags));
}

TEST_F(StoreNative, AgreesOnStringsBothWays) {
    struct {
        test::Code bytes;
        unsigned size;
    } const strings[] = {{test::code({0xaa}), 1},
                         {test::code({0x66, 0xab}), 2},
                         {test::code({0xab}), 4},
                         {test::code({0x48, 0xab}), 8},
                         {test::code({0xf3, 0x48, 0xab}), 8}};
    for (auto const& string : strings) {
        for (unsigned i = 0; i < 200; ++i) {
            Trial trial = random.any_state();
            trial.bytes = string.bytes;
            trial.registers.rdi = native.entry_address() + random.below(8 / string.size) * string.size;
            trial.registers.rcx = 1; // a repeated one ends after one element
            trial.registers.rflags |= random.below(2) == 0 ? kDirection : 0;
            ASSERT_TRUE(agree(trial, "stos"));
        }
    }
}

TEST_F(StoreNative, AgreesOnAbsoluteAddresses) {
    for (test::Code const& opcode : {test::code({0xa2}), test::code({0x66, 0xa3}), test::code({0x48, 0xa3})}) {
        Trial trial = random.any_state();
        trial.bytes = opcode;
        for (unsigned i = 0; i < 8; ++i)
            trial.bytes.push_back(static_cast<std::byte>(native.entry_address() >> (8 * i)));
        ASSERT_TRUE(agree(trial, "movabs"));
    }
}

} // namespace
} // namespace emulate
