/// The source's end of a migration, as a state machine (session.hpp; docs/migration-protocol.md).
///
///     Outgoing session{id, prepare, policy};            // or Outgoing::restarted(…), from what the journal says
///     perform(session.on(event::Begin{}));
///     for each thing that happens: perform(session.on(it));
///
/// What it guarantees whatever happens, if its actions are done as it says: the guest is not resumed here once Commit may have been sent, until
/// the destination has said that it did not take it, or a person has.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "migrate/session.hpp"

namespace migrate {

class Outgoing {
  public:
    /// What a daemon finds when it looks for the guest of a journal's entry.
    enum class Guest : std::uint8_t {
        here,
        ended,          ///< it is not here, and this host has not been restarted since: somebody destroyed it
        lost_with_host, ///< the host was restarted, so it cannot be here
    };

    /// @p policy must outlive it.
    Outgoing(MigrationId const& id, Prepare prepare, policy::Policy& policy, Patience const& patience = {});

    /// A session that goes on after the daemon was killed. Its first event is Begin, too.
    /// REQUIRES: journaled is one of the source's states.
    static Outgoing restarted(MigrationId const& id, Journaled journaled, Guest guest, Patience const& patience = {});

    [[nodiscard]] Actions on(Event const& event);

    [[nodiscard]] State state() const;
    [[nodiscard]] bool finished() const { return step_ == Step::ended; }
    /// Commit may have been sent and nothing is known of what became of it.
    [[nodiscard]] bool in_doubt() const { return step_ == Step::committing && !taken_; }

  private:
    Outgoing(MigrationId const& id, Prepare prepare, policy::Policy* policy, Patience const& patience);

    enum class Step : std::uint8_t {
        fresh,           ///< waits for Begin
        connecting,      ///< Connect
        greeting,        ///< Hello was sent
        preparing,       ///< Prepare was sent
        opening_journal, ///< moving is being written
        round,           ///< SendRound
        suspending,      ///< SuspendGuest
        last,            ///< SendLast (and then, in version 1, waiting for Verified)
        writing_commit,  ///< commit is being written
        committing,      ///< Commit was sent, or will be when the peer is met
        settling,        ///< Resumed was heard: its copy is not in anybody's way yet
        destroying,      ///< DestroyGuest
        keeping,         ///< a person's word: aborted is being written before the guest is resumed
        returning,       ///< ResumeGuest
        noting,          ///< aborted is being written
        telling,         ///< the destination is to hear Abort
        closing,         ///< the entry is being removed
        ended
    };

    void handle(event::Begin const&);
    void handle(event::PeerMet const&);
    void handle(event::PeerLost const&);
    void handle(event::Received const& it);
    void handle(event::JournalDone const&);
    void handle(event::JournalFailed const& it);
    void handle(event::TimerFired const&);
    void handle(event::Failed const& it);
    void handle(event::Cancel const& it);
    void handle(event::Resolve const& it);
    void handle(event::RoundDone const& it);
    void handle(event::GuestSuspended const& it);
    void handle(event::LastSent const&);
    void handle(event::GuestGoesOn const&);
    void handle(event::GuestDestroyed const&);
    void handle(event::Built const&) {}
    void handle(event::ImageComplete const&) {}
    void handle(event::GuestRuns const&) {}
    void handle(event::GuestSettled const&) {}

    void hear(Welcome const& it);
    void hear(Ready const& it);
    void hear(Verified const& it);
    void hear(Committed const& it);
    void hear(Resumed const& it);
    void hear(Settled const& it);
    void hear(Dropped const& it);
    void hear(Status const& it);
    template <typename Other> void hear(Other const&) {} ///< not for a source to hear

    template <typename What> void act(What what) { out_.emplace_back(std::move(what)); }
    void send(Message message);
    void journal(Journaled state);
    void say(std::string sentence) { act(action::Say{state(), std::move(sentence)}); }
    void decide(Outcome outcome, Reason reason, std::string sentence);
    void begin_restarted();
    void abandon(Reason reason, std::string const& sentence, bool tell);
    void bring_back();
    void note_that_it_ended();
    void give_away();
    void destroy();
    void close();
    void meet_again();
    void written();

    MigrationId id_;
    Prepare prepare_;
    policy::Policy* policy_; ///< null after a restart: no more rounds are sent
    Patience patience_;
    Step step_ = Step::fresh;
    Actions out_;
    std::optional<std::pair<Journaled, Guest>> found_; ///< by a daemon that was restarted
    unsigned writes_ = 0;                              ///< of the journal, not reported done yet
    std::uint32_t version_ = 0;                        ///< of the protocol, that both speak
    bool connected_ = false;
    bool joined_before_ = false; ///< the next Hello is about a migration that the peer knows
    bool peer_may_hold_ = false; ///< the destination may have verified, and wait for commit
    bool dropped_ = false;       ///< the destination said that it never takes it
    bool taken_ = false;         ///< the destination said Committed
    bool decided_ = false;
    std::uint32_t round_ = 0;
    Reason reason_ = Reason::none;
    std::string sentence_; ///< why the guest stays
};

} // namespace migrate
