/// The bytes of a domain's record: what its reader takes, and everything that it does not (docs/domain-record.md).
#include <functional>

#include <gtest/gtest.h>

#include "unit/record/sample.hpp"

namespace {

using namespace test;
using base::Error;

class Record : public testing::Test {
  protected:
    static std::optional<Error> error_of(Bytes const& bytes) {
        auto const status = read_all(bytes);
        return status.ok() ? std::nullopt : std::optional{status.error()};
    }
    template <typename T> static T at(Bytes const& bytes, std::uint64_t offset) {
        T value;
        std::memcpy(&value, bytes.data() + offset, sizeof value);
        return value;
    }
    template <typename T> static void put(Bytes& bytes, std::uint64_t offset, T const& value) {
        std::memcpy(bytes.data() + offset, &value, sizeof value);
    }
    static tern_record_header header(Bytes const& bytes) { return at<tern_record_header>(bytes, 0); }
    /// Where the section @p type, @p index begins.
    static std::uint64_t find(Bytes const& bytes, std::uint32_t type, std::uint32_t index = 0) {
        for (std::uint64_t offset = sizeof(tern_record_header); offset < bytes.size();) {
            auto const section = at<tern_record_section>(bytes, offset);
            if (section.type == type && section.index == index)
                return offset;
            offset += sizeof section + record::padded(section.length);
        }
        ADD_FAILURE() << "no section " << type;
        return 0;
    }
    static void change_section(Bytes& bytes, std::uint64_t offset,
                               std::function<void(tern_record_section&)> const& change) {
        auto section = at<tern_record_section>(bytes, offset);
        change(section);
        put(bytes, offset, section);
    }
    static Bytes without(Bytes bytes, std::uint32_t type, std::uint32_t index = 0) {
        auto const offset = find(bytes, type, index);
        auto const size = sizeof(tern_record_section) + record::padded(at<tern_record_section>(bytes, offset).length);
        auto const first = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
        bytes.erase(first, first + static_cast<std::ptrdiff_t>(size));
        auto changed = header(bytes);
        changed.length -= size;
        --changed.sections;
        put(bytes, 0, changed);
        return bytes;
    }
    /// With a section more at the end.
    static Bytes with_one_more(Bytes bytes, std::uint32_t type, std::uint64_t length) {
        auto changed = header(bytes);
        auto const offset = bytes.size();
        bytes.resize(offset + sizeof(tern_record_section) + record::padded(length));
        put(bytes, offset, tern_record_section{.type = type, .index = 0, .length = length});
        changed.length = bytes.size();
        ++changed.sections;
        put(bytes, 0, changed);
        return bytes;
    }

    Bytes good = Sample{}.written();
};

TEST_F(Record, ReadsAsItWasWritten) {
    EXPECT_EQ(error_of(good), std::nullopt);
    BytesSource source{good};
    auto const contents = std::make_unique<record::Contents>();
    record::Reader reader{source, *contents};
    ASSERT_TRUE(reader.open().ok());
    EXPECT_EQ(reader.vcpus(), 2U);
    EXPECT_EQ(reader.domain().value().max_pages, 16U);
    EXPECT_EQ(reader.time().value().wall_nanoseconds, 5U);
    EXPECT_EQ(reader.ranges().value(), 1U);
    EXPECT_EQ(reader.range(0).value().size, 0x10000U);
    EXPECT_EQ(reader.timers(1).value().singleshot, 100U);
    EXPECT_EQ(reader.area_size(0), Sample::kArea);
    EXPECT_EQ(reader.channels().value(), 7U);
    EXPECT_EQ(reader.tables().value(), 3U);
    std::uint64_t last = 0;
    ASSERT_TRUE(reader.tables(2, std::span{&last, 1}).ok());
    EXPECT_EQ(TERN_RECORD_TABLE_level(last), 2U);
}

TEST_F(Record, IsLittleEndianAndBeginsWithItsName) {
    EXPECT_EQ(std::memcmp(good.data(), "TERNRECD", 8), 0);
    EXPECT_EQ(good[8], std::byte{TERN_RECORD_VERSION});
}

TEST_F(Record, AnOptionalSectionThatIsNotKnownIsLeftOut) {
    EXPECT_EQ(error_of(with_one_more(good, TERN_RECORD_S_OPTIONAL | 0x1234, 5)), std::nullopt);
}

// --- all the error paths of the reader ----------------------------------------------------------------------------------

TEST_F(Record, CutAnywhereIsRefused) {
    for (std::size_t length = 0; length < good.size(); length += length < 512 ? 1 : 97) {
        Bytes const cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_NE(error_of(cut), std::nullopt) << length;
        auto told = cut;
        if (length >= sizeof(tern_record_header)) { // and says so itself
            auto changed = header(told);
            changed.length = length;
            put(told, 0, changed);
            EXPECT_NE(error_of(told), std::nullopt) << length;
        }
    }
}

TEST_F(Record, ThatIsNoneIsRefused) {
    good[0] ^= std::byte{1};
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, OfAnotherVersionIsNotSupported) {
    good[8] = std::byte{2};
    EXPECT_EQ(error_of(good), Error::not_supported);
}

TEST_F(Record, WhoseLengthIsNotThatOfTheBufferIsRefused) {
    auto changed = header(good);
    ++changed.length;
    put(good, 0, changed);
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, WithMoreSectionsThanItSaysIsRefused) {
    auto changed = header(good);
    --changed.sections;
    put(good, 0, changed);
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, WithFewerSectionsThanItSaysIsRefused) {
    auto changed = header(good);
    ++changed.sections;
    put(good, 0, changed);
    EXPECT_EQ(error_of(good), Error::invalid);
    changed.sections = ~0U;
    put(good, 0, changed);
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, ASectionThatIsLongerThanWhatIsLeftIsRefused) {
    for (auto const length : {std::uint64_t{1} << 20, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
        auto bytes = good;
        change_section(bytes, find(bytes, TERN_RECORD_S_tables), [&](auto& section) { section.length = length; });
        EXPECT_EQ(error_of(bytes), Error::invalid) << length;
    }
}

TEST_F(Record, AMandatorySectionThatIsNotKnownIsNotSupported) {
    EXPECT_EQ(error_of(with_one_more(good, 0x1234, 8)), Error::not_supported);
}

TEST_F(Record, ASectionOfTypeZeroIsRefused) {
    change_section(good, find(good, TERN_RECORD_S_domain), [](auto& section) { section.type = 0; });
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, AKnownSectionCannotBeOptional) {
    change_section(good, find(good, TERN_RECORD_S_tables), [](auto& s) { s.type |= TERN_RECORD_S_OPTIONAL; });
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, SectionsOutOfOrderAreRefused) {
    auto const one = find(good, TERN_RECORD_S_timers, 0), other = find(good, TERN_RECORD_S_timers, 1);
    change_section(good, one, [](auto& section) { section.index = 1; });
    change_section(good, other, [](auto& section) { section.index = 0; });
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, ASectionThatComesTwiceIsRefused) {
    change_section(good, find(good, TERN_RECORD_S_timers, 1), [](auto& section) { section.index = 0; });
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, ASectionOfAVcpuThatThereIsNotIsRefused) {
    change_section(good, find(good, TERN_RECORD_S_areas, 1), [](auto& section) { section.index = 2; });
    EXPECT_EQ(error_of(good), Error::invalid);
    change_section(good, find(good, TERN_RECORD_S_areas, 2), [](auto& section) { section.index = ~0U; });
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, ADomainsSectionHasNoIndex) {
    change_section(good, find(good, TERN_RECORD_S_tables), [](auto& section) { section.index = 1; });
    EXPECT_EQ(error_of(good), Error::invalid);
}

TEST_F(Record, WithoutAnyOfItsSectionsIsRefused) {
    for (std::uint32_t type = 1; type < record::kTypes; ++type)
        EXPECT_EQ(error_of(without(good, type)), Error::invalid) << type;
    EXPECT_EQ(error_of(without(good, TERN_RECORD_S_vcpu, 1)), Error::invalid);
}

TEST_F(Record, PaddingThatIsNotZeroIsRefused) {
    auto bytes = with_one_more(good, TERN_RECORD_S_OPTIONAL | 0x1234, 5);
    EXPECT_EQ(error_of(bytes), std::nullopt);
    bytes.back() = std::byte{1};
    EXPECT_EQ(error_of(bytes), Error::invalid);
}

TEST_F(Record, SectionsOfAWrongLengthAreRefused) {
    // Eight octets of the next section's header become part of this one: both are wrong then, and it is this that is seen.
    for (std::uint32_t type = 1; type < record::kTypes; ++type) {
        auto bytes = without(good, type);
        auto const next = type + 1 < record::kTypes ? find(bytes, type + 1) : bytes.size();
        auto changed = header(bytes);
        tern_record_section const section{.type = type, .index = 0, .length = 4};
        std::vector<std::byte> added(sizeof section + 8);
        std::memcpy(added.data(), &section, sizeof section);
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(next), added.begin(), added.end());
        changed.length = bytes.size();
        ++changed.sections;
        put(bytes, 0, changed);
        EXPECT_EQ(error_of(bytes), Error::invalid) << type;
    }
}

TEST_F(Record, AnErrorOfTheSourceIsTold) {
    auto const cut = good.size() - 8;
    class Failing : public BytesSource {
      public:
        Failing(Bytes const& bytes, std::size_t length)
            : BytesSource{std::span{bytes}.first(length)}, told_{bytes.size()} {}
        [[nodiscard]] std::uint64_t size() const { return told_; }

      private:
        std::uint64_t told_;
    } source{good, cut};
    auto const contents = std::make_unique<record::Contents>();
    record::Reader reader{source, *contents};
    ASSERT_TRUE(reader.open().ok());
    std::uint64_t last = 0;
    EXPECT_EQ(reader.tables(2, std::span{&last, 1}).error(), Error::bad_address);
}

} // namespace
