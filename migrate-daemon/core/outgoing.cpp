#include "migrate/outgoing.hpp"

#include <utility>

namespace migrate {

Outgoing::Outgoing(MigrationId const& id, Prepare prepare, policy::Policy* policy, Patience const& patience)
    : id_{id}, prepare_{std::move(prepare)}, policy_{policy}, patience_{patience} {}

Outgoing::Outgoing(MigrationId const& id, Prepare prepare, policy::Policy& policy, Patience const& patience)
    : Outgoing{id, std::move(prepare), &policy, patience} {}

Outgoing Outgoing::restarted(MigrationId const& id, Journaled journaled, Guest guest, Patience const& patience) {
    Outgoing session{id, {}, nullptr, patience};
    session.found_ = {journaled, guest};
    session.joined_before_ = true;
    session.peer_may_hold_ = true;
    session.reason_ = Reason::restarted;
    session.sentence_ = "the daemon was restarted in the middle";
    return session;
}

State Outgoing::state() const {
    switch (step_) {
    case Step::fresh:
    case Step::connecting:
    case Step::greeting: return State::negotiate;
    case Step::preparing:
    case Step::opening_journal: return State::prepare;
    case Step::round: return State::precopy;
    case Step::suspending:
    case Step::last: return State::blackout;
    case Step::writing_commit:
    case Step::committing: return State::commit;
    case Step::settling:
    case Step::destroying: return State::resumed;
    case Step::keeping:
    case Step::returning:
    case Step::noting:
    case Step::telling: return State::abort;
    case Step::closing: return taken_ && !dropped_ ? State::resumed : State::abort;
    case Step::ended: break;
    }
    return State::ended;
}

Actions Outgoing::on(Event const& event) {
    out_.clear();
    if (step_ != Step::ended)
        std::visit([this](auto const& it) { handle(it); }, event);
    return std::exchange(out_, {});
}

// What is done again and again.

void Outgoing::send(Message message) {
    if (connected_)
        act(action::Send{std::move(message)});
}

void Outgoing::journal(Journaled state) {
    ++writes_;
    act(action::WriteJournal{state});
}

void Outgoing::decide(Outcome outcome, Reason reason, std::string sentence) {
    if (!std::exchange(decided_, true))
        act(action::Decided{outcome, reason, std::move(sentence)});
}

/// Gives up before commit: the guest stays.
void Outgoing::abandon(Reason reason, std::string const& sentence, bool tell) {
    reason_ = reason;
    sentence_ = sentence;
    act(action::SetTimer{0});
    if (tell)
        send(Abort{reason, sentence});
    switch (step_) {
    case Step::round:
    case Step::suspending:
    case Step::last:
        act(action::StopRounds{});
        bring_back();
        return;
    default: // nothing has been done to the guest
        decide(Outcome::stayed, reason, sentence);
        close();
    }
}

void Outgoing::bring_back() {
    if (found_ && found_->second != Guest::here)
        return note_that_it_ended();
    step_ = Step::returning;
    act(action::ResumeGuest{});
}

/// The guest was this host's, and is not here any more: nobody has it.
void Outgoing::note_that_it_ended() {
    decide(Outcome::stayed, Reason::restarted,
           found_->second == Guest::ended ? "the guest ended while no daemon looked after it"
                                          : "the guest has gone with this host, which was restarted");
    if (dropped_)
        return close();
    step_ = Step::noting;
    journal(Journaled::aborted);
}

void Outgoing::give_away() {
    step_ = Step::writing_commit;
    act(action::SetTimer{0});
    journal(Journaled::commit);
}

void Outgoing::destroy() {
    step_ = Step::destroying;
    act(action::SetTimer{0});
    act(action::DestroyGuest{});
}

/// Nothing is owed to the guest any more.
void Outgoing::close() {
    step_ = Step::closing;
    act(action::SetTimer{0});
    journal(Journaled::nothing);
}

void Outgoing::meet_again() {
    if (!connected_)
        act(action::Connect{});
}

// What happens.

void Outgoing::handle(event::Begin const&) {
    if (step_ != Step::fresh)
        return;
    if (found_)
        return begin_restarted();
    step_ = Step::connecting;
    act(action::SetTimer{patience_.answer});
    act(action::Connect{});
}

void Outgoing::begin_restarted() {
    auto const [journaled, guest] = *found_;
    bool const ours = journaled == Journaled::moving || journaled == Journaled::aborted;
    if (journaled == Journaled::moving && guest == Guest::lost_with_host) {
        // If the destination has all of it, it is the only one that does.
        step_ = Step::writing_commit;
        journal(Journaled::commit);
    } else if (ours) {
        bring_back();
    } else {
        step_ = Step::committing;
        say("in doubt: the daemon was restarted after commit; asking the destination");
        meet_again();
    }
}

void Outgoing::handle(event::PeerMet const&) {
    connected_ = true;
    Hello hello;
    hello.id = id_;
    hello.rejoin = joined_before_;
    send(hello);
    if (step_ == Step::connecting) {
        step_ = Step::greeting;
        joined_before_ = true;
    } else if (step_ == Step::committing || step_ == Step::telling) {
        send(Status{step_ == Step::committing ? Journaled::commit : Journaled::aborted});
        act(action::SetTimer{patience_.answer});
    }
}

void Outgoing::handle(event::PeerLost const&) {
    connected_ = false;
    switch (step_) {
    case Step::connecting:
    case Step::greeting:
    case Step::preparing:
    case Step::opening_journal:
    case Step::round:
    case Step::suspending:
    case Step::last: abandon(Reason::peer, "the connection to the destination was lost", false); return;
    case Step::committing:
    case Step::telling:
        if (in_doubt())
            say("in doubt: the destination was lost after commit; the guest stands still until it is met again");
        act(action::SetTimer{patience_.retry});
        return;
    case Step::settling: destroy(); return;
    default: return;
    }
}

void Outgoing::handle(event::TimerFired const&) {
    switch (step_) {
    case Step::connecting:
    case Step::greeting:
    case Step::preparing: abandon(Reason::timeout, "the destination did not answer in time", true); return;
    case Step::suspending:
    case Step::last: abandon(Reason::timeout, "the blackout took too long", true); return;
    case Step::committing:
    case Step::telling:
        if (std::exchange(connected_, false))
            act(action::Hangup{}); // no answer: another connection may do better
        meet_again();
        return;
    case Step::settling: destroy(); return;
    case Step::closing:
        if (writes_ == 0)
            close();
        return;
    default: return;
    }
}

void Outgoing::handle(event::JournalDone const&) {
    if (writes_ > 0 && --writes_ == 0)
        written();
}

/// All that was to be written is.
void Outgoing::written() {
    switch (step_) {
    case Step::opening_journal:
        step_ = Step::round;
        act(action::SendRound{0, policy_->first()});
        return;
    case Step::writing_commit:
        if (dropped_)
            return bring_back();
        step_ = Step::committing;
        act(action::SetTimer{patience_.blackout});
        if (connected_)
            send(Commit{});
        else
            meet_again();
        return;
    case Step::keeping: bring_back(); return;
    case Step::noting:
        step_ = Step::telling;
        act(action::SetTimer{patience_.answer});
        send(Abort{reason_, sentence_});
        meet_again();
        return;
    case Step::closing:
        send(Released{});
        if (connected_)
            act(action::Hangup{});
        step_ = Step::ended;
        act(action::Finished{});
        return;
    default: return;
    }
}

void Outgoing::handle(event::Failed const& it) {
    switch (step_) {
    case Step::connecting:
    case Step::round:
    case Step::suspending:
    case Step::last: abandon(it.reason, it.sentence, true); return;
    case Step::returning:
        // The entry stays: the next daemon tries again.
        decide(Outcome::needs_attention, it.reason, "the guest could not be resumed at the source: " + it.sentence);
        return;
    case Step::destroying:
        say("the guest runs at the destination, but its copy could not be destroyed here: " + it.sentence);
        return;
    default: return;
    }
}

void Outgoing::handle(event::JournalFailed const& it) {
    writes_ = 0;
    auto const sentence = "the journal could not be written: " + it.sentence;
    switch (step_) {
    case Step::opening_journal: abandon(Reason::hypervisor, sentence, true); return;
    case Step::writing_commit:
        if (found_) {
            decide(Outcome::needs_attention, Reason::hypervisor, sentence);
            return;
        }
        // It may be on the disk: before the guest goes on, something else has to be.
        reason_ = Reason::hypervisor;
        sentence_ = sentence;
        step_ = Step::keeping;
        send(Abort{reason_, sentence_});
        journal(Journaled::aborted);
        return;
    case Step::keeping:
        decide(Outcome::needs_attention, Reason::hypervisor, sentence + "; the guest stands still at the source");
        return;
    case Step::closing: // until then nothing is released: the entry would find nobody to ask
        say(sentence);
        act(action::SetTimer{patience_.retry});
        return;
    default: say(sentence); written(); // what it said before leads to the same end, only later
    }
}

void Outgoing::handle(event::Cancel const& it) {
    if (step_ < Step::writing_commit && step_ != Step::fresh)
        abandon(it.reason, it.sentence, true);
    else
        say("too late to cancel");
}

void Outgoing::handle(event::Resolve const& it) {
    if (step_ == Step::telling)
        return close(); // the destination need not be told
    if (step_ != Step::committing)
        return;
    if (it.here) {
        reason_ = Reason::user;
        sentence_ = "a person decided that it goes on at the source";
        step_ = Step::keeping;
        journal(Journaled::aborted);
    } else {
        taken_ = true;
        decide(Outcome::moved, Reason::user, "a person decided that it is at the destination");
        destroy();
    }
}

void Outgoing::handle(event::RoundDone const& it) {
    if (step_ != Step::round)
        return;
    auto const micros = static_cast<std::uint64_t>(it.seen.round_seconds * 1e6);
    send(RoundReport{round_, it.seen.sent, it.seen.dirty, micros});
    auto const decision = policy_->decide(it.seen);
    ++round_;
    switch (decision.what) {
    case policy::Decision::What::next_round: act(action::SendRound{round_, decision}); return;
    case policy::Decision::What::give_up: abandon(Reason::policy, std::string{decision.reason}, true); return;
    case policy::Decision::What::stop_and_copy:
        step_ = Step::suspending;
        say("stopping: " + std::string{decision.reason});
        act(action::SetTimer{patience_.blackout});
        act(action::SuspendGuest{});
    }
}

void Outgoing::handle(event::GuestSuspended const& it) {
    if (step_ != Step::suspending)
        return;
    step_ = Step::last;
    peer_may_hold_ = true;
    send(Suspended{it.stamp});
    act(action::SendLast{round_});
}

/// What is under way arrives, or the destination says Dropped: nobody has to wait for it.
void Outgoing::handle(event::LastSent const&) {
    if (step_ == Step::last && version_ >= kEarlyCommit)
        give_away();
}

void Outgoing::handle(event::GuestGoesOn const&) {
    if (step_ != Step::returning)
        return;
    decide(Outcome::stayed, reason_, sentence_);
    if (peer_may_hold_ && !dropped_) {
        step_ = Step::noting;
        journal(Journaled::aborted);
    } else {
        close();
    }
}

void Outgoing::handle(event::GuestDestroyed const&) {
    if (step_ == Step::destroying)
        close();
}

void Outgoing::handle(event::Received const& it) {
    std::visit([this](auto const& message) { hear(message); }, it.message);
}

// What the destination says.

void Outgoing::hear(Welcome const& it) {
    if (step_ != Step::greeting)
        return;
    if (it.version < kOldestProtocol || it.version > kNewestProtocol)
        return abandon(Reason::version, "the destination wants a version of the protocol that was not offered", true);
    version_ = it.version;
    step_ = Step::preparing;
    act(action::SetTimer{patience_.prepare});
    send(prepare_);
}

void Outgoing::hear(Ready const&) {
    if (step_ != Step::preparing)
        return;
    step_ = Step::opening_journal;
    act(action::SetTimer{0});
    journal(Journaled::moving);
}

void Outgoing::hear(Verified const&) {
    if (step_ == Step::last)
        give_away();
}

void Outgoing::hear(Committed const&) {
    if (step_ != Step::committing)
        return;
    taken_ = true;
    say("the destination has taken it");
}

void Outgoing::hear(Resumed const&) {
    if (step_ != Step::committing)
        return;
    taken_ = true;
    decide(Outcome::moved, Reason::none, "it runs at the destination");
    if (version_ < kSettles) // or this process was restarted: then it has run for long
        return destroy();
    step_ = Step::settling;
    act(action::SetTimer{patience_.settle});
}

void Outgoing::hear(Settled const&) {
    if (step_ == Step::settling)
        destroy();
}

void Outgoing::hear(Dropped const& it) {
    dropped_ = true;
    reason_ = it.reason;
    sentence_ = it.sentence;
    switch (step_) {
    case Step::greeting:
    case Step::preparing:
    case Step::opening_journal:
    case Step::round:
    case Step::suspending:
    case Step::last: abandon(it.reason, it.sentence, false); return;
    case Step::committing: bring_back(); return;
    case Step::telling: close(); return;
    default: return; // told again, or looked at when the journal is written
    }
}

void Outgoing::hear(Status const& it) {
    if (step_ == Step::telling) {
        switch (it.state) {
        case Journaled::nothing:
        case Journaled::dropped: close(); return;
        case Journaled::committed:
        case Journaled::resumed:
            decide(Outcome::needs_attention, Reason::peer,
                   "the guest runs at the source, and the destination says that it has it");
            [[fallthrough]];
        default: send(Abort{reason_, sentence_}); return;
        }
    }
    if (step_ != Step::committing)
        return;
    switch (it.state) {
    case Journaled::verified: send(Commit{}); return;
    case Journaled::committed: hear(Committed{}); return;
    case Journaled::resumed: hear(Resumed{}); return hear(Settled{}); // it was written when it had settled
    case Journaled::dropped: hear(Dropped{Reason::restarted, "the destination did not take it"}); return;
    default:
        decide(Outcome::needs_attention, Reason::peer,
               "it was given to the destination, which knows nothing of it; it stands still at the source until a "
               "person decides");
    }
}

} // namespace migrate
