/// A domain on its way out of a stream (docs/migration-stream.md): octets in, and at the end a domain that can go on. Everything that is slow
/// is done as soon as the stream has said what it is about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/description.hpp"
#include "engine/guardian.hpp"
#include "hypervisor/shell.hpp"
#include "migrate/page_decoder.hpp"
#include "migrate/stream_reader.hpp"

namespace engine {

class Receiver {
  public:
    /// @p husk: the kernel that does nothing. The domain that is made is owed to @p guardian until it runs.
    Receiver(hypervisor::Toolstack const& tools, std::string husk, Guardian& guardian)
        : tools_{tools}, husk_{std::move(husk)}, guardian_{guardian} {}

    /// The stream will be of this domain: makes its shell now. Without it, that happens when the stream has said so. `precondition`: this host
    /// cannot be the domain's.
    outcome::Result<void> prepare(Description description, migrate::MemoryLayout const& layout);

    /// Memory for the next octets, and how many there were: 0 at the end of all. `precondition`: the stream is not whole, or this host cannot
    /// be the domain's.
    [[nodiscard]] std::span<std::byte> room() { return in_.room(kReadAtOnce); }
    outcome::Result<void> filled(std::size_t octets);

    /// All of the stream was there, and right.
    [[nodiscard]] bool complete() const { return in_.ended(); }
    /// The domain is what it was, and does not run yet. REQUIRES: complete().
    outcome::Result<void> adopt();
    /// It runs. REQUIRES: adopted.
    outcome::Result<void> start();
    /// It is the guest from now on, and somebody else lets it run.
    void keep_paused();
    /// It may be the guest from now on: the guardian destroys it no more. Our own end does, until it was started or kept.
    void give_credit() { guardian_.settle(Debt::destroy_named, temporary_); }
    /// There is no domain any more.
    void discard() { shell_.reset(); }
    /// What can wait until it runs: its name.
    outcome::Result<void> settle() { return shell_->settle(); }

    [[nodiscard]] std::uint32_t domain() const { return shell_->domain(); }
    /// What it is called until it has settled.
    /// What the domain of a guest called @p vm is called until it is the guest.
    static std::string temporary_name(std::string const& vm) { return vm + "--incoming"; }
    [[nodiscard]] Description const& description() const { return description_; }
    [[nodiscard]] std::uint64_t octets() const { return octets_; }

  private:
    static constexpr std::size_t kReadAtOnce = 256U << 10;
    class Memory;

    outcome::Result<void> take(migrate::Description const& one);
    outcome::Result<void> take(migrate::MemoryLayout const& one);
    outcome::Result<void> take(migrate::PageBatch const& one);
    outcome::Result<void> take(migrate::RoundEnd const& one);
    outcome::Result<void> take(migrate::DomainRecord const& one);
    outcome::Result<void> take(migrate::ImageDigest const& one);
    outcome::Result<void> take(migrate::Note const& one);
    outcome::Result<void> take(migrate::End const& one);
    [[nodiscard]] base::Err<outcome::Failure> refuse(migrate::StreamError error) const;

    hypervisor::Toolstack const& tools_;
    std::string husk_;
    Guardian& guardian_;
    migrate::StreamReader in_;
    std::uint64_t octets_ = 0;
    Description description_;
    std::string temporary_; ///< the name that the domain has meanwhile
    migrate::MemoryLayout layout_;
    std::optional<hypervisor::Shell> shell_;
    std::shared_ptr<Memory> memory_;
    std::unique_ptr<migrate::ReceivedPages> book_;
    std::unique_ptr<migrate::PageDecoder> decoder_;
    std::vector<std::byte> record_;
};

} // namespace engine
