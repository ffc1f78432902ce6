#include "engine/receiver.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>

#include "base/assert.hpp"
#include "engine/hash_code.hpp"
#include "hypervisor/frames.hpp"

namespace engine {

using hypervisor::Frames;
using hypervisor::Shell;
using migrate::Gfn;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

namespace {

constexpr std::size_t kReadAtOnce = 256U << 10;

} // namespace

/// The shell's frames, as a decoder wants them. Zeros are written, too, though they come first: where libxl built the husk, new frames are not
/// zero.
class Receiver::Memory : public migrate::GuestMemory {
  public:
    Memory(Shell& shell, Frames frames, std::mutex& mutex) : shell_{shell}, frames_{std::move(frames)}, mutex_{mutex} {}

    bool write(std::span<migrate::PageWrite const> pages) override {
        for (auto const& one : pages) {
            auto* const ring = shell_.ring_page(one.gfn.raw());
            if (ring == nullptr)
                frames_.put(one.gfn.raw(), one.page);
            else if (one.page == nullptr)
                ring->assign(hypervisor::kPageSize, std::byte{});
            else
                ring->assign(one.page, one.page + hypervisor::kPageSize);
        }
        return note(frames_.write());
    }
    bool read(std::span<Gfn const> gfns, std::span<migrate::Page> pages) override {
        gfns_.clear();
        for (auto const gfn : gfns)
            if (shell_.ring_page(gfn.raw()) == nullptr)
                gfns_.push_back(gfn.raw());
        auto const got = frames_.read(gfns_);
        if (!got)
            return note(base::Err{got.error()});
        auto from = got.value();
        for (std::size_t i = 0; i < gfns.size(); ++i) {
            auto const to = std::as_writable_bytes(std::span{pages[i]});
            if (auto const* const ring = shell_.ring_page(gfns[i].raw())) {
                ring->empty() ? void(std::ranges::fill(to, std::byte{})) : void(std::ranges::copy(*ring, to.begin()));
            } else {
                std::ranges::copy(from.first(hypervisor::kPageSize), to.begin());
                from = from.subspan(hypervisor::kPageSize);
            }
        }
        return true;
    }
    bool remove(Gfn gfn) override {
        std::lock_guard const guard{mutex_}; // libxenctrl's handle is one for all
        return note(shell_.give_up(gfn.raw()));
    }

    [[nodiscard]] outcome::Failure const& why() const { return why_; }

  private:
    bool note(Result<void> const& done) {
        if (!done)
            why_ = done.error();
        return done.ok();
    }

    Shell& shell_;
    Frames frames_;
    std::mutex& mutex_;
    outcome::Failure why_;
    std::vector<std::uint64_t> gfns_;
};

/// One stream.
struct Receiver::Lane {
    explicit Lane(unsigned at) : index{at} {}

    unsigned index;
    bool admitted = false; ///< it is the stream that it should be
    migrate::StreamReader in;
    std::uint64_t octets = 0;
    std::unique_ptr<Memory> memory;                ///< from the first page on
    std::unique_ptr<migrate::PageDecoder> decoder; ///< as well

    [[nodiscard]] base::Err<outcome::Failure> refuse(migrate::StreamError error) const {
        if (memory && !memory->why().message.empty())
            return base::Err{memory->why()};
        return fail(Kind::precondition, "this is not a whole domain: " + sentence(error, in.offset()));
    }
};

Receiver::Receiver(hypervisor::Toolstack const& tools, std::string husk, Guardian& guardian, unsigned streams)
    : tools_{tools}, husk_{std::move(husk)}, guardian_{guardian} {
    use_faster_hash(); // measured while there are no threads that would be in the way
    for (unsigned index = 0; index < streams; ++index)
        lanes_.push_back(std::make_unique<Lane>(index));
}

Receiver::~Receiver() = default;

std::span<std::byte> Receiver::room(unsigned stream) { return lanes_[stream]->in.room(kReadAtOnce); }

bool Receiver::ended(unsigned stream) const { return lanes_[stream]->in.ended(); }

std::uint64_t Receiver::octets() const {
    return std::accumulate(lanes_.begin(), lanes_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, auto const& lane) { return sum + lane->octets; });
}

Result<void> Receiver::filled(std::size_t octets, unsigned stream) {
    auto& lane = *lanes_[stream];
    lane.in.filled(octets);
    lane.octets += octets;
    for (;;) {
        auto const next = lane.in.next();
        if (!next)
            return lane.refuse(next.error());
        if (!next.value())
            break;
        if (!lane.admitted)
            TRY(admit(lane));
        TRY(std::visit([&](auto const& one) { return take(lane, one); }, *next.value()));
    }
    if (octets == 0)
        if (auto const ended = lane.in.finish(); !ended)
            return lane.refuse(ended.error());
    return {};
}

Result<void> Receiver::prepare(Description description, migrate::MemoryLayout const& layout) {
    description_ = std::move(description);
    layout_ = layout;
    std::uint32_t other = 0;
    if (libxl_name_to_domid(tools_.light(), description_.name.c_str(), &other) == 0)
        return fail(Kind::precondition, "there is a domain called " + description_.name + " already",
                    "xl rename it, or xl destroy it");
    if (auto const twin = find_domain(tools_, description_.uuid))
        return fail(Kind::precondition,
                    "domain " + std::to_string(twin.value().id) + " has the same UUID: it is this one already",
                    "two of it would write to the same disks");
    temporary_ = temporary_name(description_.name);
    hypervisor::ShellRequest request{.configuration = description_.configuration,
                                     .name = temporary_,
                                     .husk = husk_,
                                     .layout = {},
                                     .store = description_.store,
                                     .console = description_.console};
    for (auto const& run : layout.runs())
        request.layout.push_back({run.first.raw(), run.count});
    guardian_.owe(Debt::destroy_named, temporary_);
    shell_.emplace(TRY(Shell::make(tools_, std::move(request))));
    return shell_->write_nodes(description_.nodes);
}

Result<void> Receiver::take(Lane&, migrate::Description const& one) {
    auto described = TRY(Description::from(one.json));
    if (shell_ && described.text() != description_.text())
        return fail(Kind::failed, "the stream is of another domain than was told before");
    description_ = std::move(described);
    return {};
}

Result<void> Receiver::take(Lane&, migrate::MemoryLayout const& layout) {
    if (!shell_)
        TRY(prepare(description_, layout));
    else if (layout != layout_)
        return fail(Kind::failed, "the stream is of other memory than was told before");
    return {};
}

/// What it is of is only believed of the primary one, and that is one thread's.
Result<void> Receiver::admit(Lane& lane) {
    std::lock_guard const guard{mutex_};
    auto expected = info_.value_or(*lane.in.info());
    expected.index = static_cast<std::uint16_t>(lane.index);
    expected.streams = static_cast<std::uint16_t>(lanes_.size());
    if (*lane.in.info() != expected)
        return fail(Kind::failed, "the streams are not those of one domain");
    info_ = expected;
    lane.admitted = true;
    return {};
}

Result<void> Receiver::begin_pages(Lane& lane) {
    auto const& info = *lane.in.info();
    {
        std::lock_guard const guard{mutex_};
        if (!book_)
            book_ = std::make_unique<migrate::ReceivedPages>(layout_, info.seed);
    }
    lane.memory = std::make_unique<Memory>(*shell_, TRY(Frames::of(tools_, shell_->domain())), mutex_);
    lane.decoder = std::make_unique<migrate::PageDecoder>(*book_, info.index, info.streams, *lane.memory);
    return {};
}

Result<void> Receiver::take(Lane& lane, migrate::PageBatch const& batch) {
    if (!lane.decoder)
        TRY(begin_pages(lane));
    if (auto const done = lane.decoder->batch(batch); !done)
        return lane.refuse(done.error());
    return {};
}

Result<void> Receiver::take(Lane&, migrate::DomainRecord const& one) {
    record_.assign(one.bytes.begin(), one.bytes.end());
    return {};
}

Result<void> Receiver::take(Lane&, migrate::ImageDigest const& sent) {
    sent_ = sent;
    return {};
}

Result<void> Receiver::verify() {
    migrate::Received all;
    for (auto const& lane : lanes_) {
        ASSERT(lane->in.ended());
        if (lane->decoder)
            all += lane->decoder->received();
    }
    if (auto const same = verify_image(layout_, all, sent_); !same)
        return lanes_.front()->refuse(same.error());
    verified_ = true;
    return {};
}

Result<void> Receiver::adopt() {
    ASSERT(verified_);
    return shell_->adopt(record_, description_.way);
}

Result<void> Receiver::start() { return shell_->start(); }

void Receiver::keep_paused() {
    if (!shell_)
        return;
    give_credit();
    shell_->keep_paused();
}

} // namespace engine
