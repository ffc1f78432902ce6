/// The destination's end of a migration, as a state machine (session.hpp; docs/migration-protocol.md).
///
/// Made when a peer that is not known says Hello: its first events are PeerMet and that Hello. Or from the journal.
///
/// What it guarantees whatever happens, if its actions are done as it says: the guest is never run here before Commit was received and the
/// journal says so; and who was told Dropped can rely on it that it never will be.
#pragma once

#include <string>
#include <utility>

#include "migrate/session.hpp"

namespace migrate {

class Incoming {
  public:
    explicit Incoming(MigrationId const& id, std::string host = {}, std::string software = {},
                      Patience const& patience = {});

    /// A session that goes on after the daemon was killed. @p guest_here: the domain of the entry exists. Its first event is Begin.
    /// REQUIRES: journaled is one of the destination's states.
    static Incoming restarted(MigrationId const& id, Journaled journaled, bool guest_here,
                              Patience const& patience = {});

    [[nodiscard]] Actions on(Event const& event);

    [[nodiscard]] State state() const;
    [[nodiscard]] bool finished() const { return step_ == Step::ended; }
    /// Complete, and waiting for the source's word without a connection to it.
    [[nodiscard]] bool in_doubt() const { return step_ == Step::verified && !connected_; }

  private:
    enum class Step : std::uint8_t {
        fresh,
        greeting,          ///< waits for Hello
        waiting,           ///< Welcome was sent; waits for Prepare
        opening_journal,   ///< building is being written
        building,          ///< Build
        receiving,         ///< Ready was sent
        verified,          ///< Verified was sent: waits for Commit, or Abort
        writing_committed, ///< committed is being written
        running,           ///< RunGuest
        resumed,           ///< it ran; waits for Released
        lost,              ///< was ours, and is gone with the host before anybody knows whether it ran
        writing_dropped,   ///< dropped is being written
        destroying,        ///< DestroyGuest, and then `after_destroying_`
        dropped,           ///< waits for Released
        closing,           ///< the entry is being removed
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
    void handle(event::Built const& it);
    void handle(event::ImageComplete const&);
    void handle(event::GuestRuns const& it);
    void handle(event::GuestSettled const& it);
    void handle(event::GuestDestroyed const&);
    template <typename Other> void handle(Other const&) {} ///< the source's

    void hear(Hello const& it);
    void hear(Prepare const& it);
    void hear(RoundReport const& it);
    void hear(Suspended const& it);
    void hear(Commit const& it);
    void hear(Abort const& it);
    void hear(Released const& it);
    void hear(Status const& it);
    template <typename Other> void hear(Other const&) {} ///< not for a destination to hear

    template <typename What> void act(What what) { out_.emplace_back(std::move(what)); }
    void send(Message message);
    void journal(Journaled state);
    void say(std::string sentence) { act(action::Say{state(), std::move(sentence)}); }
    void decide(Outcome outcome, Reason reason, std::string sentence);
    void give_up(Reason reason, std::string const& sentence);
    void refuse(Reason reason, std::string const& sentence);
    void drop(Reason reason, std::string const& sentence);
    void destroy(bool tell_first);
    void close();
    void take();
    void written();
    void ask_later();
    [[nodiscard]] Journaled status() const;

    MigrationId id_;
    Prepare prepare_;
    std::string host_;
    std::string software_;
    Patience patience_;
    Step step_ = Step::fresh;
    Actions out_;
    bool found_ = false; ///< made from the journal
    Journaled journaled_ = Journaled::nothing;
    bool guest_here_ = false;
    unsigned writes_ = 0;
    bool connected_ = false;
    bool stopped_ = false;      ///< the source has said Suspended
    bool may_take_ = false;     ///< and Commit, before everything was here
    bool owes_dropped_ = false; ///< the entry stays in the journal until the source has heard Dropped
    bool decided_ = false;
    Reason reason_ = Reason::none;
    std::string sentence_;
};

/// What a daemon answers to a peer that asks about a migration which it knows nothing of.
[[nodiscard]] inline Message answer_unknown() { return Status{Journaled::nothing}; }

} // namespace migrate
