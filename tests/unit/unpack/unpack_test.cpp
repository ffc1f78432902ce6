#include "unpack/unpack.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "unit/unpack/packing.hpp"

namespace {

using base::Error;
using test::ByteBuilder;
using unpack::examine;
using unpack::Format;
using unpack::Packed;

constexpr std::size_t kSize = 300'000;
ByteBuilder const kKernel = test::kernel_like(kSize);

/// What comes out of @p file, or the sentence that refuses it.
struct Outcome {
    std::vector<std::byte> bytes;
    std::string refusal;
};

Outcome unpacked(base::Bytes file, std::function<void(Packed&)> const& change = {}) {
    auto const examined = examine(file);
    if (!examined)
        return {{}, std::string{examined.error().reason}};
    Packed packed = examined.value();
    if (change)
        change(packed);
    std::vector<std::byte> output(packed.size);
    std::vector<std::byte> work(packed.work);
    auto const result = unpack::unpack(packed, output, work);
    if (!result)
        return {{}, std::string{result.error().reason}};
    return {output, {}};
}

testing::AssertionResult is_kernel(Outcome const& outcome) {
    if (!outcome.refusal.empty())
        return testing::AssertionFailure() << outcome.refusal;
    if (!std::ranges::equal(outcome.bytes, kKernel.bytes()))
        return testing::AssertionFailure() << "other bytes";
    return testing::AssertionSuccess();
}

testing::AssertionResult refuses(Outcome const& outcome, std::string_view words) {
    if (outcome.refusal.find(words) != std::string::npos)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << "says: " << (outcome.refusal.empty() ? "accepted" : outcome.refusal);
}

/// How Linux's build packs, and anyone by hand.
struct Way {
    char const* name;
    std::function<ByteBuilder(base::Bytes)> pack;
    bool size_follows;
};
Way const kWays[] = {
    {"XZ", [](base::Bytes bytes) { return test::xz(bytes); }, true},
    {"zstd", [](base::Bytes bytes) { return test::zstd(bytes); }, true},
    {"gzip", [](base::Bytes bytes) { return test::gzip(bytes); }, false},
};

ByteBuilder as_bzimage(Way const& way, base::Bytes kernel, std::size_t size) {
    auto const packed = way.pack(kernel);
    return test::bzimage(way.size_follows ? test::with_size(packed, size) : packed);
}

TEST(Unpack, OpensABzImageOfEachKind) {
    for (auto const& way : kWays) {
        auto const image = as_bzimage(way, kKernel, kKernel.size());
        EXPECT_EQ(name_of(examine(image).value().format), way.name);
        EXPECT_TRUE(is_kernel(unpacked(image))) << way.name;
    }
}

TEST(Unpack, OpensAnElfFileCompressedByItself) {
    for (auto const& way : kWays) {
        auto const file = way.pack(kKernel);
        EXPECT_EQ(examine(file).value().size, kKernel.size()) << way.name;
        EXPECT_TRUE(is_kernel(unpacked(file))) << way.name;
    }
}

TEST(Unpack, LeavesElfAlone) {
    auto const plain = examine(kKernel);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain.value().format, Format::elf);
    EXPECT_EQ(plain.value().bytes.data(), kKernel.bytes().data());
    EXPECT_EQ(plain.value().bytes.size(), kKernel.size());

    auto const image = test::bzimage(kKernel);
    auto const inside = examine(image);
    ASSERT_TRUE(inside);
    EXPECT_EQ(inside.value().format, Format::elf);
    EXPECT_TRUE(std::ranges::equal(inside.value().bytes, kKernel.bytes()));
}

TEST(Unpack, KnowsTheFiltersAndChecksOfXz) {
    for (auto const filter : {LZMA_VLI_UNKNOWN, lzma_vli{LZMA_FILTER_X86}})
        for (auto const check : {LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64, LZMA_CHECK_SHA256})
            EXPECT_TRUE(is_kernel(unpacked(test::xz(kKernel, {.filter = filter, .check = check})))) << check;
}

TEST(Unpack, AsksForTheDictionaryThatTheFileNames) {
    for (std::uint32_t const dictionary : {1U << 16, 1U << 20, 4U << 20}) {
        auto const work = examine(test::xz(kKernel, {.dictionary = dictionary})).value().work;
        EXPECT_GE(work, dictionary);
        EXPECT_LE(work, dictionary + (256U << 10));
    }
}

TEST(Unpack, RefusesAByteThatIsWrongAnywhere) {
    auto const small = test::kernel_like(2'000);
    for (auto const& way : kWays) {
        auto const good = way.pack(small);
        // gzip's header says when and by whom the file was made: that may be anything.
        for (std::size_t at = way.name == std::string_view{"gzip"} ? 10 : 0; at < good.size(); ++at) {
            auto bad = good;
            bad.patch(at, static_cast<std::uint8_t>(std::to_integer<unsigned>(good.bytes()[at]) ^ 0x10U));
            auto const outcome = unpacked(bad, [](Packed& packed) {
                packed.size = std::min<std::uint64_t>(packed.size, 1 << 14);
                packed.work = std::min<std::uint64_t>(packed.work, 1 << 18);
            });
            EXPECT_FALSE(outcome.refusal.empty() && outcome.bytes != small.bytes()) << way.name << " at " << at;
        }
    }
}

TEST(Unpack, RefusesAFileCutOffAtAnyPlace) {
    auto const small = test::kernel_like(2'000);
    for (auto const& way : kWays) {
        auto const good = way.pack(small);
        for (std::size_t size = 0; size < good.size(); ++size) {
            auto const outcome = unpacked(base::Bytes{good}.first(size), [](Packed& packed) {
                packed.size = std::min<std::uint64_t>(packed.size, 1 << 14);
            });
            EXPECT_FALSE(outcome.refusal.empty()) << way.name << " of " << size;
        }
    }
}

TEST(Unpack, SaysWhatIsWrongAndWhatToDo) {
    for (auto const& way : kWays) {
        auto const packed = way.pack(kKernel);
        auto damaged = packed;
        damaged.patch(packed.size() / 2, std::uint64_t{0x5a5a5a5a5a5a5a5a});
        EXPECT_TRUE(refuses(unpacked(damaged), way.name)) << way.name;
        EXPECT_TRUE(refuses(unpacked(damaged), "copy the file again")) << way.name;
    }
}

TEST(Unpack, RefusesASizeThatIsNotTrue) {
    for (auto const& way : kWays) {
        auto const file = as_bzimage(way, kKernel, kKernel.size());
        auto const off_by = [&](int bytes) {
            return unpacked(file, [&](Packed& packed) { packed.size += static_cast<std::uint64_t>(bytes); });
        };
        EXPECT_TRUE(refuses(off_by(-1), "to more than it says")) << way.name;
        EXPECT_TRUE(refuses(off_by(+1), "to less than it says")) << way.name;
    }
}

TEST(Unpack, RefusesASizeThatNoKernelHas) {
    auto const xz = test::xz(kKernel);
    EXPECT_TRUE(refuses(unpacked(test::bzimage(test::with_size(xz, (1U << 30) + 1))), "more than 1 GiB"));
    EXPECT_TRUE(refuses(unpacked(test::bzimage(test::with_size(xz, 0))), "to nothing"));
    EXPECT_EQ(examine(test::bzimage(test::with_size(xz, 1U << 30))).value().size, 1U << 30);
}

TEST(Unpack, RefusesWhatFollows) {
    for (auto const& way : kWays) {
        auto const file = way.pack(kKernel);
        auto const longer = ByteBuilder{file}.text("more");
        auto const outcome = unpacked(file, [&](Packed& packed) { packed.bytes = longer; });
        EXPECT_FALSE(outcome.refusal.empty()) << way.name;
    }
}

TEST(Unpack, RefusesZstdThatDoesNotSayItsSizeUnlessLinuxDoes) {
    auto const packed = test::zstd(kKernel, test::SaysSize::no);
    EXPECT_TRUE(refuses(unpacked(packed), "does not say its size"));
    EXPECT_TRUE(is_kernel(unpacked(test::bzimage(test::with_size(packed, kKernel.size())))));
}

TEST(Unpack, RefusesADecoderWithTooLittleMemory) {
    for (auto const& way : kWays) {
        auto const file = way.pack(kKernel);
        auto packed = examine(file).value();
        packed.work = 0;
        std::vector<std::byte> output(packed.size);
        for (std::size_t const size : {0U, 100U, 1000U}) {
            std::vector<std::byte> work(size);
            EXPECT_EQ(unpack::unpack(packed, output, work).error().error, Error::no_memory) << way.name;
        }
    }
}

TEST(Unpack, NamesTheMethodsThatItDoesNotKnow) {
    auto const payload = [](std::string_view magic) {
        return test::bzimage(ByteBuilder{}.text(magic).pad_to(100).u32(5));
    };
    EXPECT_TRUE(refuses(unpacked(payload("BZh9")), "bzip2: only XZ, zstd and gzip"));
    EXPECT_TRUE(refuses(unpacked(payload({"\x5d\0\0", 3})), "LZMA: only"));
    EXPECT_TRUE(refuses(unpacked(payload("\x89LZO")), "LZO: only"));
    EXPECT_TRUE(refuses(unpacked(payload("\x02\x21\x4c\x18")), "LZ4: only"));
    EXPECT_TRUE(refuses(unpacked(payload("what")), "neither an ELF file nor a bzImage"));
    EXPECT_TRUE(refuses(unpacked({}), "neither an ELF file nor a bzImage"));
}

} // namespace
