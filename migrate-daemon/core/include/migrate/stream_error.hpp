/// Why a stream is refused. Each reason has one sentence, here and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace migrate {

enum class StreamError : std::uint8_t {
    // The stream's header.
    not_a_stream,
    newer_version,
    header_corrupt,
    header_malformed,
    other_page_size,
    // Any record.
    cut_off,
    record_corrupt,
    out_of_sequence,
    too_long,
    bad_padding,
    unknown_record,
    misplaced,
    after_the_end,
    // What records contain.
    bad_description,
    bad_layout,
    bad_batch,
    bad_contents,
    bad_delta,
    bad_round_end,
    wrong_round,
    round_differs,
    bad_domain_record,
    bad_digest,
    // Pages, and the image that they make.
    no_such_frame,
    other_stream,
    never_sent,
    page_differs,
    incomplete,
    image_differs,
    // The reader's own side.
    cannot_write,
    cannot_read,
    last,
};

/// A sentence without a full stop; a literal.
[[nodiscard]] std::string_view text_of(StreamError error);

/// The sentence for people, with the place: "at octet 4096: …".
[[nodiscard]] std::string sentence(StreamError error, std::uint64_t offset);

template <typename T> using Streamed = base::Result<T, StreamError>;

constexpr base::Err<StreamError> refuse(StreamError error) { return {error}; }

} // namespace migrate
