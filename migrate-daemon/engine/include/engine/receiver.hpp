/// A domain on its way out of one stream or several (docs/migration-stream.md): octets in, and at the end a domain that can go on. Everything that
/// is slow is done as soon as it is known what they are about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
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
    Receiver(hypervisor::Toolstack const& tools, std::string husk, Guardian& guardian, unsigned streams = 1);
    Receiver(Receiver const&) = delete;
    Receiver& operator=(Receiver const&) = delete;
    ~Receiver();

    /// The streams will be of this domain: makes its shell now. Without it, which is for one stream only, that happens when the stream has said
    /// so. `precondition`: this host cannot be the domain's.
    outcome::Result<void> prepare(Description description, migrate::MemoryLayout const& layout);

    // Of each stream in a thread of its own.
    /// Memory for the next octets, and how many there were: 0 at the end of all. `precondition`: the stream is not whole, or this host cannot
    /// be the domain's.
    [[nodiscard]] std::span<std::byte> room(unsigned stream = 0);
    outcome::Result<void> filled(std::size_t octets, unsigned stream = 0);
    /// All of this stream was there, and right.
    [[nodiscard]] bool ended(unsigned stream = 0) const;

    /// Whether all of the streams together is what was sent. REQUIRES: all have ended.
    outcome::Result<void> verify();
    [[nodiscard]] bool verified() const { return verified_; }
    /// The domain is what it was, and does not run yet. REQUIRES: verified().
    outcome::Result<void> adopt();
    /// It runs. REQUIRES: adopted, and credit was given.
    outcome::Result<void> start();
    /// If it was not discarded: it is the guest from now on, and somebody else lets it run.
    void keep_paused();
    /// It may be the guest from now on: the guardian destroys it no more. Our own end does, until it was started or kept.
    void give_credit() { guardian_.settle(Debt::destroy_named, temporary_); }
    /// There is no domain any more.
    void discard() { shell_.reset(); }
    /// What can wait until it runs: its name.
    outcome::Result<void> settle() { return shell_->settle(); }

    [[nodiscard]] std::uint32_t domain() const { return shell_->domain(); }
    /// What the domain of a guest called @p vm is called until it is the guest.
    static std::string temporary_name(std::string const& vm) { return vm + "--incoming"; }
    [[nodiscard]] Description const& description() const { return description_; }
    [[nodiscard]] std::uint64_t octets() const;

  private:
    class Memory;
    struct Lane;

    // A stream's record. Those that are not of pages come by the primary one.
    outcome::Result<void> take(Lane& lane, migrate::Description const& one);
    outcome::Result<void> take(Lane& lane, migrate::MemoryLayout const& one);
    outcome::Result<void> take(Lane& lane, migrate::PageBatch const& one);
    outcome::Result<void> take(Lane& lane, migrate::DomainRecord const& one);
    outcome::Result<void> take(Lane& lane, migrate::ImageDigest const& one);
    template <typename Other> outcome::Result<void> take(Lane&, Other const&) { return {}; }
    outcome::Result<void> admit(Lane& lane);
    outcome::Result<void> begin_pages(Lane& lane);

    hypervisor::Toolstack const& tools_;
    std::string husk_;
    Guardian& guardian_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    Description description_;
    std::string temporary_; ///< the name that the domain has meanwhile
    migrate::MemoryLayout layout_;
    std::optional<hypervisor::Shell> shell_;
    std::mutex mutex_;
    std::optional<migrate::StreamInfo> info_; ///< of the stream that came first; under mutex_
    std::unique_ptr<migrate::ReceivedPages>
        book_; ///< made for the first page, by whichever stream has it, under mutex_
    std::vector<std::byte> record_;
    migrate::ImageDigest sent_; ///< as the primary stream has it
    bool verified_ = false;
};

} // namespace engine
