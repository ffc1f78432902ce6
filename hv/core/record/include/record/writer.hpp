/// Writes a record, section by section, to whatever takes bytes.
///
///     Writer writer{sink, progress};
///     writer.begin(TERN_RECORD_S_time, 0);
///     TRY(writer.put(time));
///     TRY(writer.end());
///     ...
///     TRY(writer.finish());
///
/// How far it has come is a plain value of the caller's, who may be preempted between any two of these.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/result.hpp"
#include "record/layout.hpp"

namespace record {

template <typename K>
concept Sink = requires(K& sink, std::uint64_t at, std::span<std::byte const> bytes) {
    { sink.write(at, bytes) } -> std::same_as<base::Status>;
};

struct WriterProgress {
    std::uint64_t at = sizeof(tern_record_header);
    std::uint64_t section_at = 0;
    std::uint32_t type = 0, index = 0; ///< of the section that is being written
    std::uint32_t sections = 0;
};

template <Sink K> class Writer {
  public:
    Writer(K& sink, WriterProgress& progress) : sink_{sink}, progress_{progress} {}

    void begin(std::uint32_t type, std::uint32_t index) {
        progress_.section_at = progress_.at;
        progress_.at += sizeof(tern_record_section);
        progress_.type = type;
        progress_.index = index;
    }
    [[nodiscard]] base::Status put(std::span<std::byte const> bytes) {
        TRY(sink_.write(progress_.at, bytes));
        progress_.at += bytes.size();
        return {};
    }
    template <typename T>
        requires std::is_trivially_copyable_v<T> &&(!std::convertible_to<T const&, std::span<std::byte const>>)
            [[nodiscard]] base::Status put(T const& value) {
            return put(std::as_bytes(std::span{&value, 1}));
        }
        [[nodiscard]] base::Status end() {
            constexpr std::byte kZeroes[8]{};
            auto const length = progress_.at - progress_.section_at - sizeof(tern_record_section);
            TRY(put(std::span{kZeroes}.first(padded(length) - length)));
            tern_record_section const header{.type = progress_.type, .index = progress_.index, .length = length};
            TRY(sink_.write(progress_.section_at, std::as_bytes(std::span{&header, 1})));
            ++progress_.sections;
            return {};
        }
        /// A section of one value.
        template <typename T>
        [[nodiscard]] base::Status section(std::uint32_t type, std::uint32_t index, T const& value) {
            begin(type, index);
            TRY(put(value));
            return end();
        }
        /// The header: the record is complete.
        [[nodiscard]] base::Status finish() {
            tern_record_header const header{.magic = TERN_RECORD_MAGIC,
                                            .version = TERN_RECORD_VERSION,
                                            .sections = progress_.sections,
                                            .length = progress_.at};
            return sink_.write(0, std::as_bytes(std::span{&header, 1}));
        }

      private:
        K& sink_;
        WriterProgress& progress_;
};

} // namespace record
