/// Reads a record from whatever gives bytes, which may be anything, and may change between two looks.
///
///     Contents contents;                              // 16 KiB: not on a stack
///     Reader reader{source, contents};
///     TRY(reader.open());                             // where each section is, and that those are there which must be
///     auto const domain = TRY(reader.domain());       // each is checked as it is read
///
/// Errors: what the source says; `invalid`; `not_supported` for a version or a section that is not known.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "record/check.hpp"
#include "record/layout.hpp"

namespace record {

template <typename S>
concept Source = requires(S& source, std::uint64_t at, std::span<std::byte> into) {
    { source.size() } -> std::same_as<std::uint64_t>;
    { source.read(at, into) } -> std::same_as<base::Status>;
};

/// A section's payload; at 0: it is not there.
struct Place {
    std::uint64_t at = 0;
    std::uint64_t length = 0;
    [[nodiscard]] bool there() const { return at != 0; }
};

struct Contents {
    std::array<Place, kTypes> of_domain{};                                                             ///< by type
    std::array<std::array<Place, kMostVcpus>, TERN_RECORD_S_areas - TERN_RECORD_S_vcpu + 1> of_vcpu{}; ///< from 5 on
    std::uint32_t vcpus = 0;

    [[nodiscard]] Place& place(std::uint32_t type, std::uint32_t index) {
        return of_vcpu_type(type) ? of_vcpu[type - TERN_RECORD_S_vcpu][index] : of_domain[type];
    }

  private:
    [[nodiscard]] static bool of_vcpu_type(std::uint32_t type) { return record::of_vcpu(type); }
};

template <Source S> class Reader {
  public:
    Reader(S& source, Contents& contents) : source_{source}, contents_{contents} {}

    [[nodiscard]] base::Status open() {
        contents_ = {};
        auto const header = TRY(read<tern_record_header>(0));
        if (header.magic != TERN_RECORD_MAGIC)
            return base::Err{base::Error::invalid};
        if (header.version != TERN_RECORD_VERSION)
            return base::Err{base::Error::not_supported};
        if (header.length != source_.size() || header.sections > kMostSections)
            return base::Err{base::Error::invalid};
        TRY(go_through(header));
        contents_.vcpus = TRY(domain()).vcpus;
        return check_presence();
    }

    [[nodiscard]] std::uint32_t vcpus() const { return contents_.vcpus; }

    [[nodiscard]] base::Result<tern_record_domain> domain() {
        return whole<tern_record_domain>(TERN_RECORD_S_domain, 0);
    }
    [[nodiscard]] base::Result<tern_record_cpu> cpu() { return whole<tern_record_cpu>(TERN_RECORD_S_cpu, 0); }
    [[nodiscard]] base::Result<tern_record_time> time() { return whole<tern_record_time>(TERN_RECORD_S_time, 0); }
    [[nodiscard]] base::Result<tern_record_timers> timers(std::uint32_t vcpu) {
        return whole<tern_record_timers>(TERN_RECORD_S_timers, vcpu);
    }
    [[nodiscard]] base::Result<tern_record_areas> areas(std::uint32_t vcpu) {
        return whole<tern_record_areas>(TERN_RECORD_S_areas, vcpu);
    }

    [[nodiscard]] base::Result<std::uint32_t> ranges() {
        return elements(TERN_RECORD_S_memory_map, 0, sizeof(tern_record_range), kMostRanges);
    }
    [[nodiscard]] base::Result<tern_record_range> range(std::uint32_t number) {
        auto const at = contents_.of_domain[TERN_RECORD_S_memory_map].at + number * sizeof(tern_record_range);
        return checked(TRY(read<tern_record_range>(at)));
    }

    [[nodiscard]] base::Result<tern_record_vcpu> vcpu(std::uint32_t number) {
        auto const& place = contents_.place(TERN_RECORD_S_vcpu, number);
        auto const vcpu = TRY(head<tern_record_vcpu>(place));
        bool const initialised = (vcpu.flags & TERN_RECORD_V_initialised) != 0;
        bool const good = place.length == sizeof vcpu + (initialised ? sizeof(vcpu_guest_context_t) : 0) &&
                          contents_.place(TERN_RECORD_S_extended_state, number).there() == initialised;
        if (!good)
            return base::Err{base::Error::invalid};
        return vcpu;
    }
    /// REQUIRES: vcpu() says that there is one.
    [[nodiscard]] base::Status context(std::uint32_t number, vcpu_guest_context_t& into) {
        auto const& place = contents_.place(TERN_RECORD_S_vcpu, number);
        return source_.read(place.at + sizeof(tern_record_vcpu), std::as_writable_bytes(std::span{&into, 1}));
    }

    /// REQUIRES: vcpu() says that there is a context.
    [[nodiscard]] base::Result<tern_record_extended_state> extended_state(std::uint32_t number) {
        auto const& place = contents_.place(TERN_RECORD_S_extended_state, number);
        auto const size = place.length - sizeof(tern_record_extended_state);
        if (place.length < sizeof(tern_record_extended_state) || size < kLeastArea || size > kMostArea)
            return base::Err{base::Error::invalid};
        return head<tern_record_extended_state>(place);
    }
    [[nodiscard]] std::uint64_t area_size(std::uint32_t number) {
        return contents_.place(TERN_RECORD_S_extended_state, number).length - sizeof(tern_record_extended_state);
    }
    [[nodiscard]] base::Status area(std::uint32_t number, std::span<std::byte> into) {
        auto const& place = contents_.place(TERN_RECORD_S_extended_state, number);
        return source_.read(place.at + sizeof(tern_record_extended_state), into);
    }

    [[nodiscard]] base::Result<tern_record_channels> channel_table() {
        return head<tern_record_channels>(contents_.of_domain[TERN_RECORD_S_channels]);
    }
    [[nodiscard]] base::Result<std::uint32_t> channels() {
        return elements(TERN_RECORD_S_channels, sizeof(tern_record_channels), sizeof(tern_record_channel), kMostPorts);
    }
    /// All of them: @p into has as many.
    [[nodiscard]] base::Status channels(std::span<tern_record_channel> into) {
        auto const limit = TRY(channel_table()).limit;
        auto const at = contents_.of_domain[TERN_RECORD_S_channels].at + sizeof(tern_record_channels);
        TRY(source_.read(at, std::as_writable_bytes(into)));
        return check(into, limit, contents_.vcpus);
    }

    [[nodiscard]] base::Status shared_info(std::span<std::byte, kPageSize> into) {
        return source_.read(contents_.of_domain[TERN_RECORD_S_shared_info].at, into);
    }

    [[nodiscard]] base::Result<tern_record_grants> grants() {
        auto const& place = contents_.of_domain[TERN_RECORD_S_grants];
        auto const grants = TRY(head<tern_record_grants>(place));
        if (place.length != sizeof grants + std::uint64_t{grants.frames} * kPageSize)
            return base::Err{base::Error::invalid};
        return grants;
    }
    [[nodiscard]] base::Status grant_frame(std::uint32_t number, std::span<std::byte, kPageSize> into) {
        auto const first = contents_.of_domain[TERN_RECORD_S_grants].at + sizeof(tern_record_grants);
        return source_.read(first + std::uint64_t{number} * kPageSize, into);
    }

    [[nodiscard]] base::Result<tern_record_tables> memory() {
        return read<tern_record_tables>(contents_.of_domain[TERN_RECORD_S_tables].at);
    }
    [[nodiscard]] base::Result<std::uint32_t> tables() {
        return elements(TERN_RECORD_S_tables, sizeof(tern_record_tables), sizeof(std::uint64_t), kEndGfn);
    }
    /// Those from @p first on. REQUIRES: there are as many.
    [[nodiscard]] base::Status tables(std::uint32_t first, std::span<std::uint64_t> into) {
        auto const at = contents_.of_domain[TERN_RECORD_S_tables].at + sizeof(tern_record_tables) +
                        std::uint64_t{first} * sizeof(std::uint64_t);
        auto const previous =
            first == 0 ? TERN_RECORD_NONE : TERN_RECORD_TABLE_gfn(TRY(read<std::uint64_t>(at - sizeof(std::uint64_t))));
        TRY(source_.read(at, std::as_writable_bytes(into)));
        return check_tables(into, previous);
    }

    /// Looks at everything but the tables, which may be many.
    [[nodiscard]] base::Status check_all_but_tables(std::span<tern_record_channel> scratch) {
        static_cast<void>(TRY(cpu()));
        static_cast<void>(TRY(time()));
        auto const count = TRY(ranges());
        for (std::uint32_t i = 0; i < count; ++i)
            static_cast<void>(TRY(range(i)));
        for (std::uint32_t i = 0; i < vcpus(); ++i) {
            if ((TRY(vcpu(i)).flags & TERN_RECORD_V_initialised) != 0)
                static_cast<void>(TRY(extended_state(i)));
            static_cast<void>(TRY(timers(i)));
            static_cast<void>(TRY(areas(i)));
        }
        static_cast<void>(TRY(grants()));
        return channels(scratch);
    }

  private:
    template <typename T> base::Result<T> read(std::uint64_t at) {
        T value{};
        TRY(source_.read(at, std::as_writable_bytes(std::span{&value, 1})));
        return value;
    }
    template <typename T> static base::Result<T> checked(T const& value) {
        TRY(check(value));
        return value;
    }
    /// What a section begins with.
    template <typename T> base::Result<T> head(Place const& place) {
        if (place.length < sizeof(T))
            return base::Err{base::Error::invalid};
        return checked(TRY(read<T>(place.at)));
    }
    /// What a section is, and no more.
    template <typename T> base::Result<T> whole(std::uint32_t type, std::uint32_t index) {
        auto const& place = contents_.place(type, index);
        if (place.length != sizeof(T))
            return base::Err{base::Error::invalid};
        return head<T>(place);
    }
    base::Result<std::uint32_t> elements(std::uint32_t type, std::uint64_t before, std::uint64_t size,
                                         std::uint64_t most) {
        auto const length = contents_.of_domain[type].length;
        if (length < before || (length - before) % size != 0 || (length - before) / size > most)
            return base::Err{base::Error::invalid};
        return static_cast<std::uint32_t>((length - before) / size);
    }

    base::Status go_through(tern_record_header const& header) {
        std::uint64_t at = sizeof header;
        std::uint64_t previous = 0; // of (type, index); no type is 0
        for (std::uint32_t i = 0; i < header.sections; ++i) {
            if (header.length - at < sizeof(tern_record_section))
                return base::Err{base::Error::invalid};
            auto const section = TRY(read<tern_record_section>(at));
            at += sizeof section;
            auto const rest = header.length - at;
            auto const number = section.type & ~TERN_RECORD_S_OPTIONAL;
            auto const order = std::uint64_t{number} << 32 | section.index;
            if (section.length > rest || padded(section.length) > rest || order <= previous || number == 0)
                return base::Err{base::Error::invalid};
            TRY(note(section, at));
            TRY(check_padding(at + section.length, padded(section.length) - section.length));
            at += padded(section.length);
            previous = order;
        }
        if (at != header.length)
            return base::Err{base::Error::invalid};
        return {};
    }

    base::Status note(tern_record_section const& section, std::uint64_t at) {
        bool const optional = (section.type & TERN_RECORD_S_OPTIONAL) != 0;
        if ((section.type & ~TERN_RECORD_S_OPTIONAL) >= kTypes)
            return optional ? base::Status{} : base::Status{base::Err{base::Error::not_supported}};
        if (optional || section.index >= (of_vcpu(section.type) ? kMostVcpus : 1))
            return base::Err{base::Error::invalid};
        contents_.place(section.type, section.index) = {.at = at, .length = section.length};
        return {};
    }

    base::Status check_padding(std::uint64_t at, std::uint64_t count) {
        if (count == 0)
            return {};
        std::array<std::byte, 8> bytes{};
        TRY(source_.read(at, std::span{bytes}.first(count)));
        for (auto const byte : bytes)
            if (byte != std::byte{0})
                return base::Err{base::Error::invalid};
        return {};
    }

    base::Status check_presence() {
        bool good = contents_.of_domain[TERN_RECORD_S_shared_info].length == kPageSize;
        for (std::uint32_t type = 1; type < kTypes; ++type)
            for (std::uint32_t index = 0; index < (of_vcpu(type) ? kMostVcpus : 1); ++index) {
                bool const there = contents_.place(type, index).there();
                bool const may_lack = type == TERN_RECORD_S_extended_state; // vcpu() says
                bool const wanted = !of_vcpu(type) || index < contents_.vcpus;
                good = good && (there ? wanted : !wanted || may_lack);
            }
        if (!good)
            return base::Err{base::Error::invalid};
        return {};
    }

    S& source_;
    Contents& contents_;
};

} // namespace record
