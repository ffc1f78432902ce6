#include "move_loop.hpp"

#include <ctime>
#include <utility>
#include <variant>

#include "hypervisor/watch.hpp"
#include "migrate/incoming.hpp"
#include "moments.hpp"
#include "older_protocol.hpp"

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

outcome::Kind kind_of(migrate::Reason reason) {
    using enum migrate::Reason;
    using outcome::Kind;
    switch (reason) {
    case version:
    case features:
    case memory:
    case conflict:
    case devices: return Kind::precondition;
    case timeout: return Kind::timed_out;
    case user: return Kind::cancelled;
    default: return Kind::failed;
    }
}

std::uint64_t monotonic() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
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
    bench_.tell(nullptr);
    stop_listening();
}

void MoveLoop::meet(net::Link& link) {
    listen_to(link);
    inbox_.put(event::PeerMet{});
}

void MoveLoop::call_again(std::string const& host) {
    auto link = bench_.call_again(host);
    if (link) {
        stop_listening();
        again_ = std::move(link).value();
        meet(*again_);
    } else if (link.error().kind == outcome::Kind::precondition) {
        inbox_.put(event::Received{migrate::answer_unknown()});
    } else {
        bench_.log(sentence(link.error()));
        inbox_.put(event::PeerLost{});
    }
}

void MoveLoop::mark(std::string_view name, std::uint64_t at) {
    std::lock_guard const guard{marks_mutex_};
    marks_.push_back({std::string{name}, at});
}

std::vector<migrate::Mark> MoveLoop::marks() {
    std::lock_guard const guard{marks_mutex_};
    return marks_;
}

bool MoveLoop::destroy(hypervisor::Toolstack const& tools) {
    constexpr std::chrono::seconds kPatience{30};
    auto const is_gone = [&] { return !hypervisor::state_of(tools, subject_.domain); };
    bool gone = libxl_domain_destroy(tools.light(), subject_.domain, nullptr) == 0;
    if (!gone) // the guardian of a process that was killed may be at it as well
        if (auto watch = hypervisor::Watch::on(tools, {"@releaseDomain"}))
            gone = watch.value().wait_until(is_gone, kPatience);
    if (gone)
        inbox_.put(event::GuestDestroyed{});
    else
        inbox_.put(
            event::Failed{migrate::Reason::hypervisor, "xl destroy " + std::to_string(subject_.domain) + " ends it"});
    return gone;
}

// In the workbench's thread.
void MoveLoop::called(std::unique_ptr<net::Link> link) {
    {
        std::lock_guard const guard{links_mutex_};
        called_ = std::move(link);
    }
    inbox_.put(event::PeerMet{});
}

// In the workbench's thread.
void MoveLoop::told_to_stop() {
    told_to_stop_.store(true);
    inbox_.put(event::Cancel{migrate::Reason::user, "it was cancelled"});
    if (!can_be_left_.load())
        bench_.hang_up(); // a stream that the peer does not read is not waited for
}

// In the workbench's thread.
void MoveLoop::resolved(bool here) {
    has_word_.store(true);
    inbox_.put(event::Resolve{here});
}

// In the workbench's thread.
void MoveLoop::left_alone() {
    alone_.store(true);
    inbox_.put(event::Begin{}); // it has begun, so this tells it nothing; but the loop looks
}

/// The next event; a link that the peer made replaces ours before the session hears of it, and that ours is lost, before that.
migrate::Event MoveLoop::next() {
    auto event = inbox_.take(deadline_);
    if (std::holds_alternative<event::TimerFired>(event))
        deadline_.reset();
    if (!std::holds_alternative<event::PeerMet>(event))
        return event;
    std::unique_lock guard{links_mutex_};
    if (!called_)
        return event;
    auto link = std::move(called_);
    guard.unlock();
    stop_listening();
    again_ = std::move(link);
    if (met_) {
        meet(*again_);
        return event::PeerLost{};
    }
    listen_to(*again_);
    return event;
}

void MoveLoop::note(migrate::Event const& event) {
    if (std::holds_alternative<event::PeerMet>(event))
        met_ = true;
    else if (std::holds_alternative<event::PeerLost>(event))
        met_ = false;
    else if (auto const* const received = std::get_if<event::Received>(&event))
        heard(received->message);
    if (std::holds_alternative<event::TimerFired>(event) || !met_)
        say_what_waited();
}

void MoveLoop::listen_to(net::Link& link) {
    link_ = &link;
    peer_ = link.peer().name;
    replaced_.store(false);
    listener_ = std::thread{[this] { hear_all(); }};
}

/// What the link has said and nobody has heard is forgotten with it.
void MoveLoop::stop_listening() {
    if (!listener_.joinable())
        return;
    replaced_.store(true);
    link_->cancel();
    listener_.join();
    inbox_.forget_peer();
}

void MoveLoop::hear_all() {
    for (;;) {
        auto const octets = link_->receive();
        if (replaced_.load())
            return;
        if (!octets)
            return inbox_.put(event::PeerLost{});
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
    } else if (auto const* const question = std::get_if<migrate::CatchUp>(&message)) {
        heard_of_streams(*question);
    } else if (auto const* const answer = std::get_if<migrate::CaughtUp>(&message)) {
        heard_of_streams(*answer);
    } else {
        // Before there is much to do, and again when what is to be measured is over.
        if (source_ &&
            (std::holds_alternative<migrate::Ready>(message) || std::holds_alternative<migrate::Settled>(message))) {
            asked_ = 0;
            ask_the_time();
        }
        if (auto* const hello = std::get_if<migrate::Hello>(&message))
            *hello = as_older(std::move(*hello));
        inbox_.put(event::Received{std::move(message)});
    }
}

void MoveLoop::ask_the_time() {
    if (asked_++ < kClockQuestions)
        send(migrate::ClockProbe{monotonic()});
}

void MoveLoop::send(migrate::Message const& message) {
    if (link_ == nullptr)
        return;
    if (auto const* const hello = std::get_if<migrate::Hello>(&message))
        send_by(*link_, as_older(*hello));
    else
        send_by(*link_, message);
}

void MoveLoop::send_by(net::Link& link, migrate::Message const& message) {
    std::vector<std::byte> octets;
    // What cannot be sent is noticed by the listener: the link is at its end.
    if (proto::write_bare(message, octets))
        static_cast<void>(link.send(octets));
}

void MoveLoop::write_journal(Journaled state) {
    moment(source_, std::string{name_of(state)} + '-');
    auto const journal = bench_.journal(subject_.vm, peer_);
    auto const written = journal ? journal.value()->append({.state = std::string{name_of(state)},
                                                            .holder = holder_of(state, source_),
                                                            .final = state == Journaled::nothing,
                                                            .detail = detail_of(subject_)})
                                 : outcome::Result<void>{base::Err{journal.error()}};
    moment(source_, name_of(state));
    if (!written)
        return inbox_.put(event::JournalFailed{sentence(written.error())});
    if (state == Journaled::committed)
        mark(migrate::mark::kTaken);
    inbox_.put(event::JournalDone{});
}

void MoveLoop::say_what_waited() {
    for (auto const& word : std::exchange(waiting_words_, {})) {
        bench_.log(word.sentence);
        bench_.progress({{"state", migrate::name_of(word.state)}, {"says", word.sentence}});
    }
}

void MoveLoop::perform(migrate::Action const& what) {
    if (auto const* const message = std::get_if<action::Send>(&what)) {
        send(message->message);
    } else if (std::holds_alternative<action::Hangup>(what)) {
        if (link_ != nullptr)
            static_cast<void>(link_->close(Inbox::Clock::now() + kGoodbye));
        met_ = false;
    } else if (auto const* const entry = std::get_if<action::WriteJournal>(&what)) {
        if (entry->state == Journaled::commit || entry->state == Journaled::verified ||
            entry->state == Journaled::committed)
            can_be_left();
        before_journal(entry->state);
        write_journal(entry->state);
    } else if (auto const* const timer = std::get_if<action::SetTimer>(&what)) {
        deadline_.reset();
        std::chrono::duration<double> const seconds{timer->seconds};
        if (timer->seconds > 0)
            deadline_ = Inbox::Clock::now() + std::chrono::duration_cast<Inbox::Clock::duration>(seconds);
    } else if (auto const* const word = std::get_if<action::Say>(&what)) {
        waiting_words_.push_back(*word);
        if (!met_ || !can_wait(*word))
            say_what_waited();
    } else {
        if (auto const* const decided = std::get_if<action::Decided>(&what))
            decided_ = *decided;
        act(what);
    }
}

} // namespace mover
