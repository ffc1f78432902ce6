#include "move_loop.hpp"

#include <ctime>
#include <fstream>
#include <variant>

namespace mover {
namespace {

using migrate::Journaled;
using nlohmann::json;
namespace action = migrate::action;
namespace event = migrate::event;

constexpr unsigned kClockQuestions = 16;
constexpr std::chrono::seconds kGoodbye{5};

/// Who may run the domain when this is on the disk.
service::Holder holder_of(Journaled state, bool source) {
    switch (state) {
    case Journaled::moving:
    case Journaled::aborted: return service::Holder::here;
    case Journaled::commit:
    case Journaled::verified: return service::Holder::unknown;
    case Journaled::committed:
    case Journaled::resumed: return service::Holder::here;
    case Journaled::building:
    case Journaled::dropped: return service::Holder::there;
    default: return source ? service::Holder::here : service::Holder::there;
    }
}

} // namespace

std::uint64_t monotonic() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::string boot_id() {
    std::string id;
    std::ifstream{"/proc/sys/kernel/random/boot_id"} >> id;
    return id;
}

std::string_view name_of(Journaled state) {
    switch (state) {
    case Journaled::nothing: return "nothing";
    case Journaled::moving: return "moving";
    case Journaled::commit: return "commit";
    case Journaled::aborted: return "aborted";
    case Journaled::building: return "building";
    case Journaled::verified: return "verified";
    case Journaled::committed: return "committed";
    case Journaled::resumed: return "resumed";
    case Journaled::dropped: return "dropped";
    }
    return "nothing";
}

MoveLoop::~MoveLoop() {
    if (!listener_.joinable())
        return;
    link_->cancel();
    listener_.join();
}

void MoveLoop::listen(net::Link& link) {
    link_ = &link;
    peer_ = link.peer().name;
    inbox_.put(event::PeerMet{});
    listener_ = std::thread{[this] { hear_all(); }};
}

void MoveLoop::hear_all() {
    for (;;) {
        auto const octets = link_->receive();
        if (!octets) {
            if (octets.error().kind == outcome::Kind::cancelled)
                inbox_.put(event::Cancel{migrate::Reason::user, "it was cancelled"});
            return inbox_.put(event::PeerLost{});
        }
        auto message = proto::read_bare(octets.value());
        if (!message) // whoever says such a thing is no peer
            return inbox_.put(event::PeerLost{});
        if (message.value())
            hear(std::move(*message.value()));
    }
}

void MoveLoop::hear(migrate::Message message) {
    if (auto const* const probe = std::get_if<migrate::ClockProbe>(&message)) {
        send(migrate::ClockReply{.sent = probe->sent, .here = monotonic()});
    } else if (auto const* const reply = std::get_if<migrate::ClockReply>(&message)) {
        {
            std::lock_guard const guard{clocks_mutex_};
            clocks_.observe(reply->sent, reply->here, monotonic());
        }
        ask_the_time();
    } else {
        // Before there is much to do, and again when what is to be measured is over.
        if (source_ &&
            (std::holds_alternative<migrate::Ready>(message) || std::holds_alternative<migrate::Committed>(message))) {
            asked_ = 0;
            ask_the_time();
        }
        inbox_.put(event::Received{std::move(message)});
    }
}

void MoveLoop::ask_the_time() {
    if (asked_++ < kClockQuestions)
        send(migrate::ClockProbe{monotonic()});
}

void MoveLoop::send(migrate::Message const& message) {
    std::vector<std::byte> octets;
    // What cannot be sent is noticed by the listener: the link is at its end.
    if (link_ != nullptr && proto::write_bare(message, octets))
        static_cast<void>(link_->send(octets));
}

void MoveLoop::write_journal(Journaled state) {
    auto const journal = bench_.journal(subject_.vm, peer_);
    auto const written = journal ? journal.value()->append({.state = std::string{name_of(state)},
                                                            .holder = holder_of(state, source_),
                                                            .final = state == Journaled::nothing,
                                                            .detail = {{"uuid", subject_.uuid},
                                                                       {"vm", subject_.vm},
                                                                       {"domain", subject_.domain},
                                                                       {"boot", boot_id()}}})
                                 : outcome::Result<void>{base::Err{journal.error()}};
    if (written)
        inbox_.put(event::JournalDone{});
    else
        inbox_.put(event::JournalFailed{sentence(written.error())});
}

void MoveLoop::perform(migrate::Action const& what) {
    if (auto const* const message = std::get_if<action::Send>(&what)) {
        send(message->message);
    } else if (std::holds_alternative<action::Hangup>(what)) {
        static_cast<void>(link_->close(Inbox::Clock::now() + kGoodbye));
    } else if (auto const* const entry = std::get_if<action::WriteJournal>(&what)) {
        before_journal(entry->state);
        write_journal(entry->state);
    } else if (auto const* const timer = std::get_if<action::SetTimer>(&what)) {
        deadline_.reset();
        std::chrono::duration<double> const seconds{timer->seconds};
        if (timer->seconds > 0)
            deadline_ = Inbox::Clock::now() + std::chrono::duration_cast<Inbox::Clock::duration>(seconds);
    } else if (auto const* const word = std::get_if<action::Say>(&what)) {
        bench_.log(word->sentence);
        bench_.progress({{"state", migrate::name_of(word->state)}, {"says", word->sentence}});
    } else {
        if (auto const* const decided = std::get_if<action::Decided>(&what))
            decided_ = *decided;
        act(what);
    }
}

} // namespace mover
