/// Records in, octets out. The header is written at once; what is written collects until take() carries it off.
///
///     StreamWriter out{info};
///     out.description(json);
///     out.layout(layout);
///     for each round: { out.batch(encoded); …; out.round_end({…}); }    // out.take() whenever it suits
///     out.domain_record(bytes);
///     out.image_digest(digest);
///     out.end();
///
/// The order is the format's (docs/migration-stream.md); another one is a mistake of the caller, and asserted. What a domain may
/// make too large for its record (description, layout, domain record) is answered false, and nothing is written.
/// Not for several threads at once; each stream has a writer of its own.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "migrate/record_order.hpp"
#include "migrate/records.hpp"

namespace migrate {

class StreamWriter {
  public:
    explicit StreamWriter(StreamInfo const& info);

    [[nodiscard]] bool description(std::string_view json); ///< false also if it is empty
    [[nodiscard]] bool layout(MemoryLayout const& layout);
    void batch(EncodedBatch const& batch);
    /// Ends the round that is going on; what was sent is counted here. @p stopped: the guest stood still; the last round.
    RoundEnd round_end(bool stopped, std::uint64_t unchanged = 0, std::uint64_t microseconds = 0);
    [[nodiscard]] bool domain_record(Bytes bytes); ///< false also if it is empty
    void image_digest(ImageDigest const& digest);
    void end();

    /// Anywhere before end(). Cut at 64 KiB.
    void note(std::string_view text);

    /// The round that the next batch belongs to.
    [[nodiscard]] std::uint32_t round() const { return order_.round(); }
    /// Octets that wait to be taken.
    [[nodiscard]] std::size_t pending() const { return out_.size(); }
    /// Octets taken and waiting, since the beginning.
    [[nodiscard]] std::uint64_t written() const { return taken_ + out_.size(); }
    /// All that waits. A vector given back as @p spare saves an allocation.
    [[nodiscard]] std::vector<std::byte> take(std::vector<std::byte> spare = {});

  private:
    void record(RecordType type, Bytes payload);

    StreamInfo info_;
    RecordOrder order_;
    std::uint32_t sequence_ = 0;
    std::uint64_t taken_ = 0;
    std::vector<std::byte> out_;
};

} // namespace migrate
