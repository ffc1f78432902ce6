#include "migrate/stream_error.hpp"

namespace migrate {

std::string_view text_of(StreamError error) {
    switch (error) {
    case StreamError::not_a_stream: return "this is not a migration stream";
    case StreamError::newer_version: return "the stream was written by a newer version of Tern; read it with that one";
    case StreamError::header_corrupt: return "the stream's header is corrupt";
    case StreamError::header_malformed: return "the stream's header says what no version of Tern writes";
    case StreamError::other_page_size: return "the stream has pages of another size than 4096 octets";
    case StreamError::cut_off: return "the stream is cut off; copy it again";
    case StreamError::record_corrupt: return "a record is corrupt: its hash does not fit what it contains";
    case StreamError::out_of_sequence: return "a record was lost, doubled, or taken from another place";
    case StreamError::too_long: return "a record is longer than any of its type";
    case StreamError::bad_padding: return "a record's padding is not zero";
    case StreamError::unknown_record: return "a record is of a type that this version does not know and may not skip";
    case StreamError::misplaced: return "a record stands where one of its type may not";
    case StreamError::after_the_end: return "something follows the end of the stream";
    case StreamError::bad_description: return "the domain's description is empty";
    case StreamError::bad_layout: return "the memory layout is malformed";
    case StreamError::bad_batch: return "a batch of pages is malformed";
    case StreamError::bad_contents: return "the contents of a batch of pages cannot be unpacked";
    case StreamError::bad_delta: return "a page's difference is malformed";
    case StreamError::bad_round_end: return "the end of a round is malformed";
    case StreamError::wrong_round: return "a record belongs to another round";
    case StreamError::round_differs: return "a round has other pages than its end says";
    case StreamError::bad_domain_record: return "the domain's record is empty";
    case StreamError::bad_digest: return "the image's digest is malformed";
    case StreamError::no_such_frame: return "a page is sent for a frame that the guest does not have";
    case StreamError::other_stream: return "a page came by a stream that is not its own";
    case StreamError::never_sent: return "a page is told by its difference, but was never sent";
    case StreamError::page_differs: return "a page is not what was sent";
    case StreamError::incomplete: return "frames of the guest were never sent";
    case StreamError::image_differs: return "the memory as a whole is not what it was at the source";
    case StreamError::cannot_write: return "a page of the new domain could not be written";
    case StreamError::cannot_read: return "a page of the new domain could not be read back";
    case StreamError::last: break;
    }
    return "an error without a name";
}

std::string sentence(StreamError error, std::uint64_t offset) {
    return "at octet " + std::to_string(offset) + ": " + std::string{text_of(error)};
}

} // namespace migrate
