#include "engine/receiver.hpp"

#include <algorithm>
#include <array>
#include <variant>

#include "engine/hash_code.hpp"

namespace engine {

using hypervisor::Shell;
using migrate::Gfn;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

/// The shell, as the decoder wants it. Zeros are written, too, though they come first: where libxl built the husk, new frames are not zero.
class Receiver::Memory : public migrate::GuestMemory {
  public:
    explicit Memory(Shell& shell) : shell_{shell} {}

    bool write(std::span<migrate::PageWrite const> pages) override {
        gfns_.clear();
        contents_.clear();
        for (auto const& one : pages) {
            gfns_.push_back(one.gfn.raw());
            auto const* const from = one.page == nullptr ? kZero.data() : one.page;
            contents_.insert(contents_.end(), from, from + kZero.size());
        }
        return note(shell_.write(gfns_, contents_));
    }
    bool read(std::span<Gfn const> gfns, std::span<migrate::Page> pages) override {
        gfns_.clear();
        for (auto const gfn : gfns)
            gfns_.push_back(gfn.raw());
        return note(shell_.read(gfns_, std::as_writable_bytes(pages)));
    }
    bool remove(Gfn gfn) override { return note(shell_.give_up(gfn.raw())); }

    [[nodiscard]] outcome::Failure const& why() const { return why_; }

  private:
    static constexpr migrate::Page kZero{};

    bool note(Result<void> const& done) {
        if (!done)
            why_ = done.error();
        return done.ok();
    }

    Shell& shell_;
    outcome::Failure why_;
    std::vector<std::uint64_t> gfns_;
    std::vector<std::byte> contents_;
};

Result<void> Receiver::filled(std::size_t octets) {
    in_.filled(octets);
    octets_ += octets;
    for (;;) {
        auto const next = in_.next();
        if (!next)
            return refuse(next.error());
        if (!next.value())
            break;
        TRY(std::visit([&](auto const& one) { return take(one); }, *next.value()));
    }
    if (octets == 0)
        if (auto const ended = in_.finish(); !ended)
            return refuse(ended.error());
    return {};
}

base::Err<outcome::Failure> Receiver::refuse(migrate::StreamError error) const {
    if (memory_ && !memory_->why().message.empty())
        return base::Err{memory_->why()};
    return fail(Kind::precondition, "this is not a whole domain: " + sentence(error, in_.offset()));
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
    memory_ = std::make_shared<Memory>(*shell_);
    return shell_->write_nodes(description_.nodes);
}

Result<void> Receiver::take(migrate::Description const& one) {
    auto described = TRY(Description::from(one.json));
    if (shell_ && described.text() != description_.text())
        return fail(Kind::failed, "the stream is of another domain than was told before");
    description_ = std::move(described);
    return {};
}

Result<void> Receiver::take(migrate::MemoryLayout const& layout) {
    if (!shell_)
        TRY(prepare(description_, layout));
    else if (layout != layout_)
        return fail(Kind::failed, "the stream is of other memory than was told before");
    use_faster_hash();
    auto const& info = *in_.info();
    book_ = std::make_unique<migrate::ReceivedPages>(layout, info.seed);
    decoder_ = std::make_unique<migrate::PageDecoder>(*book_, info.index, info.streams, *memory_);
    return {};
}

Result<void> Receiver::take(migrate::PageBatch const& batch) {
    if (auto const done = decoder_->batch(batch); !done)
        return refuse(done.error());
    return {};
}

Result<void> Receiver::take(migrate::RoundEnd const&) { return {}; }

Result<void> Receiver::take(migrate::DomainRecord const& one) {
    record_.assign(one.bytes.begin(), one.bytes.end());
    return {};
}

Result<void> Receiver::take(migrate::ImageDigest const& sent) {
    if (auto const same = verify_image(book_->layout(), decoder_->received(), sent); !same)
        return refuse(same.error());
    return {};
}

Result<void> Receiver::take(migrate::Note const&) { return {}; }

Result<void> Receiver::take(migrate::End const&) { return {}; }

Result<void> Receiver::adopt() { return shell_->adopt(record_, description_.way); }

Result<void> Receiver::start() {
    guardian_.settle(Debt::destroy_named, temporary_);
    return shell_->start();
}

void Receiver::keep_paused() {
    guardian_.settle(Debt::destroy_named, temporary_);
    shell_->keep_paused();
}

} // namespace engine
