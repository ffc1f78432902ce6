/// The source's end alone: what it answers where the other end would not lead it.
#include "unit/sessions/conversation.hpp"

namespace {

using namespace migrate;
using test::Conversation;
using test::has;

struct Source : Conversation<Outgoing> {
    Source() : Conversation{Outgoing{{}, {}, xen()}} {}

    static policy::Policy& xen() {
        static policy::Xen policy{{}};
        return policy;
    }

    Source& to_precopy(std::uint32_t version = kNewestProtocol) {
        on(event::Begin{});
        on(event::PeerMet{});
        hear(Welcome{.version = version, .host = {}, .software = {}});
        hear(Ready{});
        on(event::JournalDone{});
        EXPECT_EQ(session.state(), State::precopy);
        return *this;
    }
    Source& to_blackout(std::uint32_t version = kNewestProtocol) {
        to_precopy(version);
        on(event::RoundDone{});
        on(event::GuestSuspended{5});
        EXPECT_EQ(session.state(), State::blackout);
        return *this;
    }
    Source& to_commit() {
        to_blackout();
        on(event::LastSent{});
        on(event::JournalDone{});
        EXPECT_EQ(session.state(), State::commit);
        return *this;
    }
};

TEST(Outgoing, SaysOneThingAfterTheOther) {
    Source it;
    EXPECT_TRUE(has<action::Connect>(it.on(event::Begin{})));
    EXPECT_TRUE(it.sends<Hello>(it.on(event::PeerMet{})));
    EXPECT_TRUE(it.sends<Prepare>(it.hear(Welcome{})));
    EXPECT_EQ(it.journals(it.hear(Ready{})), Journaled::moving);
    EXPECT_TRUE(has<action::SendRound>(it.on(event::JournalDone{})));
    event::RoundDone many;
    many.seen.dirty = 1000;
    auto const next = it.on(many);
    EXPECT_TRUE(it.sends<RoundReport>(next));
    EXPECT_EQ(test::find<action::SendRound>(next).round, 1U);
    EXPECT_TRUE(has<action::SuspendGuest>(it.on(event::RoundDone{})));
    auto const suspended = it.on(event::GuestSuspended{5});
    EXPECT_TRUE(it.sends<Suspended>(suspended));
    EXPECT_EQ(test::find<action::SendLast>(suspended).round, 2U);
    auto const sent = it.on(event::LastSent{});
    EXPECT_EQ(it.journals(sent), Journaled::commit);
    EXPECT_FALSE(it.sends<Commit>(sent)); // not before it is on the disk
    EXPECT_TRUE(it.sends<Commit>(it.on(event::JournalDone{})));
    EXPECT_FALSE(has<action::DestroyGuest>(it.hear(Committed{}))); // the copy is kept until the guest runs
    auto const runs = it.hear(Resumed{});
    EXPECT_EQ(test::find<action::Decided>(runs).outcome, Outcome::moved);
    EXPECT_FALSE(has<action::DestroyGuest>(runs)); // and longer: a guest that has just come has better things to do
    EXPECT_TRUE(has<action::DestroyGuest>(it.hear(Settled{})));
    EXPECT_EQ(it.journals(it.on(event::GuestDestroyed{})), Journaled::nothing);
    auto const end = it.on(event::JournalDone{});
    EXPECT_TRUE(it.sends<Released>(end));
    EXPECT_TRUE(has<action::Finished>(end));
}

TEST(Outgoing, WaitsUntilADestinationOfTheFirstVersionHasEverything) {
    Source it;
    it.to_blackout(1);
    EXPECT_TRUE(it.on(event::LastSent{}).empty());
    EXPECT_EQ(it.journals(it.hear(Verified{})), Journaled::commit);
    EXPECT_TRUE(it.sends<Commit>(it.on(event::JournalDone{})));
}

TEST(Outgoing, DestroysItsCopyAtOnceForADestinationThatDoesNotSaySettled) {
    Source it;
    it.to_blackout(2);
    it.on(event::LastSent{});
    it.on(event::JournalDone{});
    EXPECT_TRUE(has<action::DestroyGuest>(it.hear(Resumed{})));
}

TEST(Outgoing, DestroysItsCopyAlthoughSettledDoesNotCome) {
    for (Event const& instead : {Event{event::TimerFired{}}, Event{event::PeerLost{}}}) {
        Source it;
        it.to_commit();
        it.hear(Resumed{});
        EXPECT_EQ(it.session.state(), State::resumed);
        EXPECT_TRUE(has<action::DestroyGuest>(it.on(instead)));
        EXPECT_TRUE(it.hear(Settled{}).empty()); // too late
        EXPECT_EQ(it.journals(it.on(event::GuestDestroyed{})), Journaled::nothing);
    }
}

TEST(Outgoing, CommitsOnceToADestinationThatHasEverythingBeforeItSeems) {
    Source it;
    it.to_blackout();
    EXPECT_EQ(it.journals(it.hear(Verified{})), Journaled::commit);
    EXPECT_TRUE(it.on(event::LastSent{}).empty());
    EXPECT_TRUE(it.sends<Commit>(it.on(event::JournalDone{})));
    EXPECT_TRUE(it.hear(Verified{}).empty());
}

TEST(Outgoing, IsNotInterestedInACancelOnceItHasDecidedToCommit) {
    Source it;
    it.to_blackout();
    it.on(event::LastSent{});
    EXPECT_FALSE(has<action::ResumeGuest>(it.on(event::Cancel{})));
    it.on(event::JournalDone{});
    EXPECT_FALSE(has<action::ResumeGuest>(it.on(event::Cancel{})));
    EXPECT_EQ(it.session.state(), State::commit);
}

TEST(Outgoing, NeverResumesTheGuestAfterCommitForSilenceOrALostWire) {
    Source it;
    it.to_commit();
    for (unsigned i = 0; i < 20; ++i) {
        for (auto const& event : {Event{event::PeerLost{}}, Event{event::TimerFired{}}, Event{event::PeerMet{}},
                                  Event{event::TimerFired{}}, Event{event::Failed{}}, Event{event::Cancel{}}})
            EXPECT_FALSE(has<action::ResumeGuest>(it.on(event)));
        EXPECT_TRUE(it.session.in_doubt());
    }
    for (auto const state :
         {Journaled::nothing, Journaled::moving, Journaled::building, Journaled::verified, Journaled::committed})
        EXPECT_FALSE(has<action::ResumeGuest>(it.hear(Status{state})));
    EXPECT_TRUE(has<action::ResumeGuest>(it.hear(Dropped{})));
}

TEST(Outgoing, CommitsOnceMoreToADestinationThatStillWaits) {
    Source it;
    it.to_commit();
    it.on(event::PeerLost{});
    it.on(event::TimerFired{});
    auto const met = it.on(event::PeerMet{});
    EXPECT_TRUE(it.sends<Hello>(met));
    EXPECT_TRUE(it.sends<Status>(met));
    EXPECT_TRUE(it.sends<Commit>(it.hear(Status{Journaled::verified})));
}

TEST(Outgoing, AsksAPersonIfTheDestinationKnowsNothingAfterCommit) {
    Source it;
    it.to_commit();
    auto const answer = it.hear(Status{Journaled::nothing});
    EXPECT_EQ(test::find<action::Decided>(answer).outcome, Outcome::needs_attention);
    EXPECT_TRUE(it.session.in_doubt());
}

TEST(Outgoing, LetsTheGuestGoOnIfTheBlackoutTakesTooLong) {
    Source it;
    auto const answer = it.to_blackout().on(event::TimerFired{});
    EXPECT_TRUE(has<action::ResumeGuest>(answer));
    EXPECT_TRUE(it.sends<Abort>(answer));
    EXPECT_EQ(test::find<action::Decided>(it.on(event::GuestGoesOn{})).reason, Reason::timeout);
}

TEST(Outgoing, DoesWhatThePolicySays) {
    struct GivesUp final : policy::Policy {
        policy::Decision first() override { return {}; }
        policy::Decision decide(policy::Observation const&) override {
            policy::Decision it;
            it.what = policy::Decision::What::give_up;
            it.reason = "no";
            return it;
        }
    } policy;
    Conversation<Outgoing> it{Outgoing{{}, {}, policy}};
    it.on(event::Begin{});
    it.on(event::PeerMet{});
    it.hear(Welcome{});
    it.hear(Ready{});
    it.on(event::JournalDone{});
    auto const answer = it.on(event::RoundDone{});
    EXPECT_TRUE(has<action::StopRounds>(answer));
    EXPECT_TRUE(has<action::ResumeGuest>(answer));
    EXPECT_EQ(test::find<action::Decided>(it.on(event::GuestGoesOn{})).reason, Reason::policy);
}

TEST(Outgoing, RefusesAVersionThatItDidNotOffer) {
    Source it;
    it.on(event::Begin{});
    it.on(event::PeerMet{});
    auto const answer = it.hear(Welcome{kNewestProtocol + 1, {}, {}});
    EXPECT_EQ(test::find<action::Decided>(answer).reason, Reason::version);
}

TEST(Outgoing, TellsWhyTheDestinationRefused) {
    Source it;
    it.on(event::Begin{});
    it.on(event::PeerMet{});
    it.hear(Welcome{});
    auto const decided =
        test::find<action::Decided>(it.hear(Dropped{Reason::memory, "beta has 100 MiB free, web needs 256"}));
    EXPECT_EQ(decided.outcome, Outcome::stayed);
    EXPECT_EQ(decided.reason, Reason::memory);
    EXPECT_EQ(decided.sentence, "beta has 100 MiB free, web needs 256");
}

TEST(Outgoing, DoesNotCommitWithoutItsJournal) {
    Source it;
    it.to_blackout();
    it.on(event::LastSent{});
    auto const failed = it.on(event::JournalFailed{"disk full"});
    EXPECT_FALSE(it.sends<Commit>(failed));
    EXPECT_FALSE(has<action::ResumeGuest>(failed)); // commit may be on the disk: first something else has to be
    EXPECT_EQ(it.journals(failed), Journaled::aborted);
    EXPECT_TRUE(has<action::ResumeGuest>(it.on(event::JournalDone{})));
}

TEST(Outgoing, KeepsTheGuestStillIfItCanWriteNothingAtAll) {
    Source it;
    it.to_blackout();
    it.on(event::LastSent{});
    it.on(event::JournalFailed{"disk full"});
    auto const failed = it.on(event::JournalFailed{"disk full"});
    EXPECT_FALSE(has<action::ResumeGuest>(failed));
    EXPECT_EQ(test::find<action::Decided>(failed).outcome, Outcome::needs_attention);
}

TEST(Outgoing, ReleasesNothingBeforeItsEntryIsGone) {
    Source it;
    it.to_commit();
    it.hear(Resumed{});
    it.hear(Settled{});
    it.on(event::GuestDestroyed{});
    EXPECT_FALSE(it.sends<Released>(it.on(event::JournalFailed{"disk full"})));
    EXPECT_EQ(it.journals(it.on(event::TimerFired{})), Journaled::nothing);
    EXPECT_TRUE(it.sends<Released>(it.on(event::JournalDone{})));
}

TEST(Outgoing, SaysThatAGuestCannotBeResumed) {
    Source it;
    it.to_blackout().on(event::Cancel{});
    EXPECT_EQ(test::find<action::Decided>(it.on(event::Failed{})).outcome, Outcome::needs_attention);
}

TEST(Outgoing, SurvivesAnyEventInAnyState) {
    test::throw_everything_at([] { return std::make_unique<Source>(); });
}

} // namespace
