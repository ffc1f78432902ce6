/// One stream of a domain on its way: the pages that go by it, encoded, and written. A sender's lanes run at the same time, a thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "hypervisor/guest_memory.hpp"
#include "migrate/page_encoder.hpp"
#include "migrate/stream_writer.hpp"
#include "outcome/failure.hpp"

namespace engine {

/// Where a stream's octets go, in order. It may take the vector's memory and leave it other. Of different streams at the same time.
using Sink = std::function<outcome::Result<void>(unsigned stream, std::vector<std::byte>& octets)>;

/// What the domain's memory is not while it is sent.
base::Err<outcome::Failure> balloon_moved();

class Lane {
  public:
    /// All must outlive it. @p info has the stream's index.
    Lane(migrate::StreamInfo const& info, migrate::SentPages& book, hypervisor::GuestMemory& memory, int level,
         Sink const& sink);

    /// Sends what @p wanted (rising) has of its pages, and ends the round. Before the first, it is for the primary one to describe the domain.
    outcome::Result<migrate::RoundEnd> round(std::span<std::uint64_t const> wanted, bool last);
    /// Whatever was written goes to the sink.
    outcome::Result<void> drain() { return drain(1); }

    [[nodiscard]] migrate::StreamWriter& out() { return out_; }
    [[nodiscard]] migrate::ImageDigest const& digest() const { return encoder_.digest(); }
    [[nodiscard]] std::uint64_t octets() const { return out_.written(); }

  private:
    outcome::Result<void> look_at(migrate::Gfn gfn);
    void flush();
    outcome::Result<void> drain(std::size_t from);

    unsigned index_;
    unsigned streams_;
    migrate::SentPages& book_;
    hypervisor::GuestMemory& memory_;
    Sink const& sink_;
    migrate::PageEncoder encoder_;
    migrate::StreamWriter out_;
    std::vector<std::byte> spare_;
};

} // namespace engine
