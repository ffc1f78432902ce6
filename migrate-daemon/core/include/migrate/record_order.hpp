/// Which record may follow which (docs/migration-stream.md, "Stream"): the writer's duty, the reader's suspicion.
#pragma once

#include <cstdint>

#include "migrate/records.hpp"

namespace migrate {

class RecordOrder {
  public:
    explicit RecordOrder(bool primary) : primary_{primary}, next_{primary ? Next::description : Next::round} {}

    /// A record of this type comes, with the numbers that it has: takes it, or says what is wrong.
    Streamed<void> description() { return step(Next::description, Next::layout); }
    Streamed<void> layout() { return step(Next::layout, Next::round); }
    Streamed<void> batch(std::uint32_t round, PageCounts const& counts, std::uint64_t octets);
    Streamed<void> round_end(RoundEnd const& end);
    Streamed<void> domain_record() { return step(Next::domain_record, Next::digest); }
    Streamed<void> digest() { return step(Next::digest, Next::end); }
    Streamed<void> end() { return step(Next::end, Next::nothing); }

    [[nodiscard]] bool ended() const { return next_ == Next::nothing; }
    [[nodiscard]] std::uint32_t round() const { return round_; }
    /// Of the round that is going on.
    [[nodiscard]] PageCounts const& sent() const { return sent_; }
    [[nodiscard]] std::uint64_t octets() const { return octets_; }

  private:
    enum class Next : std::uint8_t { description, layout, round, domain_record, digest, end, nothing };

    Streamed<void> step(Next expected, Next then);

    bool primary_;
    Next next_;
    std::uint32_t round_ = 0;
    PageCounts sent_;
    std::uint64_t octets_ = 0;
};

} // namespace migrate
