#include "migrate/incoming.hpp"

#include <utility>

namespace migrate {

Incoming::Incoming(MigrationId const& id, std::string host, std::string software, Patience const& patience)
    : id_{id}, host_{std::move(host)}, software_{std::move(software)}, patience_{patience} {}

Incoming Incoming::restarted(MigrationId const& id, Journaled journaled, bool guest_here, Patience const& patience) {
    Incoming session{id, {}, {}, patience};
    session.found_ = true;
    session.journaled_ = journaled;
    session.guest_here_ = guest_here;
    return session;
}

State Incoming::state() const {
    switch (step_) {
    case Step::fresh:
    case Step::greeting:
    case Step::waiting: return State::negotiate;
    case Step::opening_journal:
    case Step::building: return State::prepare;
    case Step::receiving: return stopped_ ? State::blackout : State::precopy;
    case Step::verified: return State::blackout;
    case Step::writing_committed:
    case Step::running:
    case Step::lost: return State::commit;
    case Step::resumed: return State::resumed;
    case Step::writing_dropped:
    case Step::destroying:
    case Step::dropped: return State::abort;
    case Step::closing: return journaled_ == Journaled::resumed ? State::resumed : State::abort;
    case Step::ended: break;
    }
    return State::ended;
}

/// What the peer is told when it is met again: what holds even if this daemon is killed at once.
Journaled Incoming::status() const {
    switch (step_) {
    case Step::verified: return Journaled::verified;
    case Step::running:
    case Step::lost: return Journaled::committed;
    case Step::resumed: return Journaled::resumed;
    case Step::dropped: return Journaled::dropped;
    default: return Journaled::nothing;
    }
}

Actions Incoming::on(Event const& event) {
    out_.clear();
    if (step_ != Step::ended)
        std::visit([this](auto const& it) { handle(it); }, event);
    return std::exchange(out_, {});
}

// What is done again and again.

void Incoming::send(Message message) {
    if (connected_)
        act(action::Send{std::move(message)});
}

void Incoming::journal(Journaled state) {
    ++writes_;
    act(action::WriteJournal{state});
}

void Incoming::decide(Outcome outcome, Reason reason, std::string sentence) {
    if (!std::exchange(decided_, true))
        act(action::Decided{outcome, reason, std::move(sentence)});
}

/// Before Ready was sent, or after Abort was heard: nobody relies on this end, so nothing has to be remembered.
void Incoming::give_up(Reason reason, std::string const& sentence) {
    reason_ = reason;
    sentence_ = sentence;
    act(action::SetTimer{0});
    decide(Outcome::stayed, reason, sentence);
    bool const built = step_ == Step::building || step_ == Step::receiving || step_ == Step::verified;
    if (built)
        return destroy(false);
    send(Dropped{reason, sentence});
    close();
}

/// Before everything is here. The source may have given it away already, so that this is remembered until it has heard it. The entry says
/// *building* still, which at the next start leads to the same.
void Incoming::refuse(Reason reason, std::string const& sentence) {
    reason_ = reason;
    sentence_ = sentence;
    owes_dropped_ = true;
    decide(Outcome::stayed, reason, sentence);
    destroy(true);
}

/// After: the source may take it back only when it hears Dropped, which must be true for ever.
void Incoming::drop(Reason reason, std::string const& sentence) {
    reason_ = reason;
    sentence_ = sentence;
    owes_dropped_ = true;
    step_ = Step::writing_dropped;
    journal(Journaled::dropped);
}

void Incoming::destroy(bool tell_first) {
    step_ = Step::destroying;
    if (tell_first) // a guest stands still until it hears this
        send(Dropped{reason_, sentence_});
    act(action::DestroyGuest{});
}

void Incoming::close() {
    step_ = Step::closing;
    journal(Journaled::nothing);
}

void Incoming::take() {
    step_ = Step::writing_committed;
    journal(Journaled::committed);
}

// What happens.

void Incoming::handle(event::Begin const&) {
    if (step_ != Step::fresh || !found_)
        return;
    switch (journaled_) {
    case Journaled::verified:
        if (guest_here_) {
            step_ = Step::verified;
            say("in doubt: the daemon was restarted while it waited for commit");
            return ask_later();
        }
        [[fallthrough]];
    case Journaled::building: drop(Reason::restarted, "the destination was restarted in the middle"); return;
    case Journaled::committed:
        if (guest_here_) {
            step_ = Step::running;
            act(action::RunGuest{});
            return;
        }
        step_ = Step::lost;
        decide(Outcome::needs_attention, Reason::restarted,
               "it was given to this host, which was restarted; whether it ran here before is not known");
        return;
    case Journaled::resumed: step_ = Step::resumed; return ask_later();
    case Journaled::dropped:
        owes_dropped_ = true;
        sentence_ = "the destination did not take it";
        destroy(false);
        return;
    default: close(); return;
    }
}

void Incoming::handle(event::PeerMet const&) {
    connected_ = true;
    if (step_ == Step::fresh && !found_) {
        step_ = Step::greeting;
        act(action::SetTimer{patience_.answer});
        return;
    }
    Hello hello;
    hello.id = id_;
    hello.rejoin = true;
    send(hello);
    if (status() != Journaled::nothing) // else it is said when there is something that holds
        send(Status{status()});
}

void Incoming::handle(event::PeerLost const&) {
    connected_ = false;
    switch (step_) {
    case Step::greeting:
    case Step::waiting:
    case Step::opening_journal:
    case Step::building: give_up(Reason::peer, "the connection to the source was lost"); return;
    case Step::receiving: refuse(Reason::peer, "the connection to the source was lost"); return;
    case Step::verified: say("in doubt: the source was lost; waiting for it to come back"); return ask_later();
    case Step::running:
    case Step::resumed:
    case Step::dropped: return ask_later();
    default: return;
    }
}

/// The source comes by itself, if it is waiting. If it is not it has nothing to tell but that, and is asked from time to time.
void Incoming::ask_later() {
    constexpr double kSeldom = 15;
    act(action::SetTimer{kSeldom * patience_.retry});
}

void Incoming::handle(event::TimerFired const&) {
    if (step_ == Step::greeting || step_ == Step::waiting)
        give_up(Reason::timeout, "the source said nothing in time");
    else if (!connected_ && (step_ == Step::verified || step_ == Step::resumed || step_ == Step::dropped))
        act(action::Connect{});
    else if (step_ == Step::closing && writes_ == 0)
        close();
}

void Incoming::handle(event::JournalDone const&) {
    if (writes_ > 0 && --writes_ == 0)
        written();
}

/// All that was to be written is.
void Incoming::written() {
    switch (step_) {
    case Step::opening_journal:
        step_ = Step::building;
        act(action::Build{prepare_});
        return;
    case Step::writing_committed:
        step_ = Step::running;
        send(Committed{});
        act(action::RunGuest{});
        return;
    case Step::writing_dropped:
        decide(Outcome::stayed, reason_, sentence_);
        destroy(true);
        return;
    case Step::closing:
        if (connected_)
            act(action::Hangup{});
        step_ = Step::ended;
        act(action::Finished{});
        return;
    default: return;
    }
}

void Incoming::handle(event::Failed const& it) {
    switch (step_) {
    case Step::building: give_up(it.reason, it.sentence); return;
    case Step::receiving: refuse(it.reason, it.sentence); return;
    case Step::running: drop(it.reason, it.sentence); return;
    case Step::destroying: say("the domain could not be destroyed: " + it.sentence); return;
    default: return;
    }
}

void Incoming::handle(event::JournalFailed const& it) {
    writes_ = 0;
    auto const sentence = "the journal could not be written: " + it.sentence;
    switch (step_) {
    case Step::opening_journal: give_up(Reason::hypervisor, sentence); return;
    case Step::writing_committed: drop(Reason::hypervisor, sentence); return;
    case Step::writing_dropped:
        decide(Outcome::needs_attention, Reason::hypervisor, sentence + "; the guest stands still at the source");
        return;
    case Step::closing:
        say(sentence);
        act(action::SetTimer{patience_.retry});
        return;
    default: say(sentence); written(); // what it said before leads to the same end, only later
    }
}

void Incoming::handle(event::Cancel const& it) {
    if (step_ < Step::receiving && step_ != Step::fresh)
        give_up(it.reason, it.sentence);
    else if (step_ == Step::receiving)
        refuse(it.reason, it.sentence);
    else if (step_ == Step::verified)
        drop(it.reason, it.sentence);
    else
        say("too late to cancel");
}

void Incoming::handle(event::Resolve const& it) {
    if (step_ == Step::verified && it.here)
        take();
    else if (step_ == Step::verified || (step_ == Step::lost && !it.here))
        drop(Reason::user, "a person decided that it is not taken");
    else if (step_ == Step::lost)
        say("it cannot be this host's: it is not here any more");
}

void Incoming::handle(event::Built const& it) {
    if (step_ != Step::building)
        return;
    step_ = Step::receiving;
    send(it.ready);
}

void Incoming::handle(event::ImageComplete const&) {
    if (step_ != Step::receiving)
        return;
    if (may_take_)
        return take();
    step_ = Step::verified;
    send(
        Verified{}); // the entry is not waited for: without it, this end is dropped at its next start, and the source hears so
    journal(Journaled::verified);
}

void Incoming::handle(event::GuestRuns const& it) {
    if (step_ != Step::running)
        return;
    step_ = Step::resumed;
    send(Resumed{it.stamp, it.marks});
    decide(Outcome::moved, Reason::none, "it runs here");
    journal(Journaled::resumed);
    if (!connected_)
        ask_later();
}

void Incoming::handle(event::GuestSettled const& it) {
    if (step_ == Step::resumed)
        send(Settled{it.marks});
}

void Incoming::handle(event::GuestDestroyed const&) {
    if (step_ != Step::destroying)
        return;
    if (!owes_dropped_) {
        send(Dropped{reason_, sentence_});
        return close();
    }
    step_ = Step::dropped;
    send(Dropped{reason_, sentence_}); // again, for a peer that came meanwhile
    // A source that has not committed does not come; it knows what became of it soon.
    if (!connected_)
        act(action::SetTimer{patience_.retry});
}

void Incoming::handle(event::Received const& it) {
    std::visit([this](auto const& message) { hear(message); }, it.message);
}

// What the source says.

void Incoming::hear(Hello const& it) {
    if (step_ != Step::greeting)
        return;
    auto const version = agreed_version(it);
    if (it.rejoin) { // about a migration that this host has no memory of: that is not the same as having dropped it
        send(Status{Journaled::nothing});
        return close();
    }
    if (version == 0)
        return give_up(Reason::version, "this host speaks versions " + std::to_string(kOldestProtocol) + " to " +
                                            std::to_string(kNewestProtocol) + " of the protocol, the source " +
                                            std::to_string(it.oldest) + " to " + std::to_string(it.newest));
    step_ = Step::waiting;
    send(Welcome{version, host_, software_});
}

void Incoming::hear(Prepare const& it) {
    if (step_ != Step::waiting)
        return;
    step_ = Step::opening_journal;
    prepare_ = it;
    act(action::SetTimer{0});
    journal(Journaled::building);
}

void Incoming::hear(RoundReport const& it) {
    if (step_ == Step::receiving)
        say("round " + std::to_string(it.round) + ": " + std::to_string(it.sent) + " pages, " +
            std::to_string(it.dirty) + " dirty behind it");
}

void Incoming::hear(Suspended const&) { stopped_ = true; }

void Incoming::hear(Commit const&) {
    if (step_ == Step::verified)
        take();
    else if (step_ == Step::receiving)
        may_take_ = true;
}

void Incoming::hear(Abort const& it) {
    if (step_ <= Step::verified && step_ != Step::fresh)
        give_up(it.reason, it.sentence); // also when verified: who says Abort never says Commit
    else if (step_ == Step::dropped)
        send(Dropped{reason_, sentence_});
    else if (step_ == Step::lost) // a person has decided, at the source; here it cannot run any more
        drop(it.reason, it.sentence);
}

void Incoming::hear(Released const&) {
    if (step_ == Step::resumed || step_ == Step::dropped)
        close();
}

void Incoming::hear(Status const& it) {
    if (it.state != Journaled::nothing)
        return; // the source has heard our own Status, and acts on it
    if (step_ == Step::resumed || step_ == Step::dropped)
        close();
    else if (step_ == Step::verified)
        decide(Outcome::needs_attention, Reason::peer,
               "it is complete here, and the source knows nothing of it; it stands still until a person decides");
}

} // namespace migrate
