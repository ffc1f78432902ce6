/// A domain on its way into one stream or several (docs/migration-stream.md), round by round: the first of all its memory, each later one of what
/// it wrote meanwhile, the last while it stands still. Who calls decides when that is, and stops the domain.
///
///     auto const sender = TRY(Sender::open(tools, domain, description, how, sink));
///     TRY(sender->start());
///     do TRY(sender->round()); while (TRY(sender->harvest()) is too much);
///     … stop the domain …
///     TRY(sender->last_harvest());
///     TRY(sender->last_round());
///     TRY(sender->finish(record));
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "crew/crew.hpp"
#include "engine/description.hpp"
#include "engine/lane.hpp"
#include "hypervisor/dirty_log.hpp"
#include "hypervisor/guest_memory.hpp"
#include "migrate/page_encoder.hpp"

namespace engine {

/// Of the first of @p streams that begin now, with an id and a seed of their own.
migrate::StreamInfo fresh_stream(bool live, bool connection, unsigned streams = 1);

struct RoundReport {
    std::uint32_t round = 0;
    std::uint64_t looked_at = 0; ///< pages
    std::uint64_t sent = 0;      ///< of them: those that had changed
    std::uint64_t octets = 0;    ///< on the streams
    double ms = 0;
};

class Sender {
  public:
    struct How {
        migrate::StreamInfo info; ///< and how many there are
        int level = 1;            ///< of zstd; 0: none
        bool live = true;         ///< the domain runs meanwhile: what it writes is tracked
    };
    /// Maps the domain's memory; nothing of it is read yet.
    static outcome::Result<std::unique_ptr<Sender>> open(hypervisor::Toolstack const& tools,
                                                         hypervisor::DomainName const& domain,
                                                         Description const& description, How const& how, Sink sink);
    [[nodiscard]] migrate::MemoryLayout const& layout() const { return book_->layout(); }

    /// What the domain writes is tracked from now on, if it is live. Then the rounds.
    outcome::Result<void> start();
    /// All memory the first time; later what harvests have found.
    outcome::Result<RoundReport> round() { return run_round(false); }
    /// Asks what was written since the last time: so many pages wait for the next round now. REQUIRES: live.
    outcome::Result<std::size_t> harvest();
    /// REQUIRES: the domain stands still. What is left for the last round.
    outcome::Result<void> last_harvest();
    outcome::Result<RoundReport> last_round() { return run_round(true); }
    /// The record, the digest of the whole image, the end. The streams are complete then.
    outcome::Result<void> finish(std::span<std::byte const> record);
    /// What the domain writes is tracked no more.
    void untrack() { log_.reset(); }

    [[nodiscard]] std::uint64_t octets() const;
    [[nodiscard]] std::uint64_t frames() const { return book_->layout().frames(); }

  private:
    Sender(hypervisor::Toolstack const& tools, std::uint32_t domain, hypervisor::GuestMemory memory, How const& how,
           Sink sink)
        : tools_{&tools},
          domain_{domain},
          memory_{std::move(memory)},
          how_{how},
          sink_{std::move(sink)},
          crew_{how.info.streams} {}
    outcome::Result<RoundReport> run_round(bool last);

    hypervisor::Toolstack const* tools_;
    std::uint32_t domain_;
    std::optional<hypervisor::DirtyLog> log_;
    hypervisor::GuestMemory memory_;
    How how_;
    Sink sink_;
    std::uint64_t frames_held_ = 0; ///< as the hypervisor counts them
    std::unique_ptr<migrate::SentPages> book_;
    std::vector<std::uint64_t> wanted_; ///< for the next round, rising
    std::vector<std::unique_ptr<Lane>> lanes_;
    crew::Crew crew_; ///< a member for each lane
};

} // namespace engine
