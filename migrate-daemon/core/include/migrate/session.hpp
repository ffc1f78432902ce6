/// What both ends of a migration have in common: states, things that happen, things to do.
///
/// A session is a state machine without hands: `on(event)` answers with actions, and whoever runs it does them in that order and reports
/// what became of them as further events. Nothing is done but by an action; nothing is awaited but an event. Events may come in any order and
/// at any time: what does not fit the state is answered or ignored, never an assertion. docs/migration-protocol.md draws it.
///
/// Who runs a session has to:
///   - do actions one after the other in the order given. Those of one answer may overlap only where an event says that they are done
///     (round, suspend, journal …);
///   - write a journal's entry durably before reporting JournalDone, and nothing else before (docs/migration-protocol.md, "Journals");
///   - make guests' actions idempotent: after a restart they may be asked for again;
///   - give it one connection at a time: report PeerLost once for each (not for one that it hung up), after which no message of it is
///     delivered any more; a new one from the peer about the same migration replaces the old one, PeerLost first;
///   - answer a Hello{rejoin} about a migration that there is no session of with Status{nothing}, and hang up.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "migrate/message.hpp"
#include "policy/policy.hpp"

namespace migrate {

/// The names that code, logs, metrics and documents use.
enum class State : std::uint8_t { negotiate, prepare, precopy, blackout, commit, resumed, abort, ended };
[[nodiscard]] std::string_view name_of(State state);

enum class Outcome : std::uint8_t {
    moved,           ///< runs at the destination
    stayed,          ///< runs at the source
    needs_attention, ///< nobody can know without a person's word
};

namespace event {

/// A connection to the peer is up: the one that was asked for by Connect, or one that the peer made about this migration.
struct PeerMet {};
/// It is gone.
struct PeerLost {};
struct Received {
    Message message;
};
struct JournalDone {};
/// The entry could not be written; which one the disk has is not known.
struct JournalFailed {
    std::string sentence;
};
/// What SetTimer asked for.
struct TimerFired {};
/// An action could not be done. For RunGuest: and the guest did not run, not for an instant.
struct Failed {
    Reason reason = Reason::hypervisor;
    std::string sentence;
};
/// Somebody does not want it any more. Too late from commit on.
struct Cancel {
    Reason reason = Reason::user;
    std::string sentence;
};
/// A person's explicit word on what cannot be known. At the source: the guest goes on here, or its copy here goes. At the destination: it is
/// run here, or dropped. That it does not run at the other end is then that person's knowledge.
struct Resolve {
    bool here = false;
};

// The source's.
struct Begin {};
/// All pages of the round are with the streams' writers and the dirty ones were harvested.
struct RoundDone {
    policy::Observation seen;
};
struct GuestSuspended {
    std::uint64_t stamp = 0;
};
/// Last pages, domain record, digest and end are written to the streams.
struct LastSent {};
/// ResumeGuest is done.
struct GuestGoesOn {};
/// The copy is gone. (Also the destination's.)
struct GuestDestroyed {};

// The destination's.
/// The domain and all around it is there, and listens for data.
struct Built {
    Ready ready;
};
/// All streams were read to their end, the image was verified, the domain record is in.
struct ImageComplete {};
struct GuestRuns {
    std::uint64_t stamp = 0;
    std::vector<Mark> marks{};
};
/// What was to wait for it to be well need not any longer.
struct GuestSettled {
    std::vector<Mark> marks{};
};

} // namespace event

using Event =
    std::variant<event::PeerMet, event::PeerLost, event::Received, event::JournalDone, event::JournalFailed,
                 event::TimerFired, event::Failed, event::Cancel, event::Resolve, event::Begin, event::RoundDone,
                 event::GuestSuspended, event::LastSent, event::GuestGoesOn, event::GuestDestroyed, event::Built,
                 event::ImageComplete, event::GuestRuns, event::GuestSettled>;

namespace action {

/// Make a connection to the peer and report PeerMet; or PeerLost, if that cannot be done.
struct Connect {};
struct Send {
    Message message;
};
/// Close the control connection when what was sent is out. No PeerLost is reported for it.
struct Hangup {};
/// Replace the entry; `nothing` removes it. In the order they are asked for. Report JournalDone for each, or JournalFailed.
struct WriteJournal {
    Journaled state = Journaled::nothing;
};
/// One timer a session; setting it again replaces it. 0 stops it.
struct SetTimer {
    double seconds = 0;
};
/// For log and progress.
struct Say {
    State state = State::negotiate;
    std::string sentence;
};
/// What became of the guest is known; told once. The session may go on to tell its peer (until Finished).
struct Decided {
    Outcome outcome = Outcome::stayed;
    Reason reason = Reason::none;
    std::string sentence;
};
/// The last action. The session can be forgotten.
struct Finished {};

// The source's.
/// Send a round as decided: round 0 starts tracking and sends all pages. Report RoundDone or Failed.
struct SendRound {
    std::uint32_t round = 0;
    policy::Decision how;
};
/// Stop whatever round is going on. No report.
struct StopRounds {};
/// By the guest's own suspend or by pausing it. Report GuestSuspended or Failed.
struct SuspendGuest {};
/// Harvest for the last time, send what is left, the domain record, digest and end. Report LastSent or Failed.
struct SendLast {
    std::uint32_t round = 0;
};
/// Whatever state it is in, tracked, suspending or suspended: let the guest go on here. Report GuestGoesOn.
struct ResumeGuest {};
/// Report GuestDestroyed, also if there was none. (Also the destination's.)
struct DestroyGuest {};

// The destination's.
/// Check what Prepare says and build. Report Built or Failed.
struct Build {
    Prepare what;
};
/// Report GuestRuns, also if it runs already; or Failed, if it certainly never ran.
struct RunGuest {};

} // namespace action

using Action =
    std::variant<action::Connect, action::Send, action::Hangup, action::WriteJournal, action::SetTimer, action::Say,
                 action::Decided, action::Finished, action::SendRound, action::StopRounds, action::SuspendGuest,
                 action::SendLast, action::ResumeGuest, action::DestroyGuest, action::Build, action::RunGuest>;
using Actions = std::vector<Action>;

/// How long a session waits, in seconds.
struct Patience {
    double answer = 30;   ///< for an answer that needs no work
    double prepare = 120; ///< for Ready
    double blackout = 10; ///< from the decision to stop until all is sent; and again until the guest runs there
    double settle = 10;   ///< of a source, once the guest runs there, for Settled
    double retry = 2;     ///< between two attempts of a source to meet again; a destination takes its time
};

} // namespace migrate
