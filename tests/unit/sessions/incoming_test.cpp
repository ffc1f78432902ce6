/// The destination's end alone: what it answers where the other end would not lead it.
#include "unit/sessions/conversation.hpp"

namespace {

using namespace migrate;
using test::Conversation;
using test::has;

struct Destination : Conversation<Incoming> {
    Destination() : Conversation{Incoming{MigrationId{}, "beta", "Tern"}} {}
    explicit Destination(Journaled journaled, bool here = true)
        : Conversation{Incoming::restarted({}, journaled, here)} {
        on(event::Begin{});
    }

    Destination& to_receiving() {
        on(event::PeerMet{});
        hear(Hello{});
        hear(Prepare{});
        on(event::JournalDone{});
        on(event::Built{});
        EXPECT_EQ(session.state(), State::precopy);
        return *this;
    }
    Destination& to_verified() {
        to_receiving();
        hear(Suspended{});
        on(event::ImageComplete{});
        on(event::JournalDone{});
        EXPECT_EQ(session.state(), State::blackout);
        return *this;
    }
};

TEST(Incoming, SaysOneThingAfterTheOther) {
    Destination it;
    it.on(event::PeerMet{});
    EXPECT_TRUE(it.sends<Welcome>(it.hear(Hello{})));
    auto const prepare = it.hear(Prepare{});
    EXPECT_EQ(it.journals(prepare), Journaled::building);
    EXPECT_FALSE(has<action::Build>(prepare)); // nothing is there that no journal knows of
    EXPECT_TRUE(has<action::Build>(it.on(event::JournalDone{})));
    EXPECT_TRUE(it.sends<Ready>(it.on(event::Built{})));
    it.hear(Suspended{});
    EXPECT_EQ(it.session.state(), State::blackout);
    auto const complete = it.on(event::ImageComplete{});
    EXPECT_TRUE(it.sends<Verified>(complete));
    EXPECT_EQ(it.journals(complete), Journaled::verified);
    it.on(event::JournalDone{});
    auto const commit = it.hear(Commit{});
    EXPECT_EQ(it.journals(commit), Journaled::committed);
    EXPECT_FALSE(has<action::RunGuest>(commit)); // not before it is on the disk
    auto const committed = it.on(event::JournalDone{});
    EXPECT_TRUE(it.sends<Committed>(committed));
    EXPECT_TRUE(has<action::RunGuest>(committed));
    EXPECT_TRUE(it.sends<Resumed>(it.on(event::GuestRuns{})));
    it.on(event::JournalDone{});
    EXPECT_TRUE(it.sends<Settled>(it.on(event::GuestSettled{})));
    EXPECT_EQ(it.journals(it.hear(Released{})), Journaled::nothing);
    EXPECT_TRUE(has<action::Finished>(it.on(event::JournalDone{})));
}

TEST(Incoming, NeverRunsAGuestThatWasNotCommitted) {
    for (unsigned until = 0; until < 6; ++until) {
        Destination it;
        it.on(event::PeerMet{});
        std::vector<Event> const way{event::Received{Hello{}}, event::Received{Prepare{}}, event::JournalDone{},
                                     event::Built{}, event::ImageComplete{}};
        for (unsigned i = 0; i < until && i < way.size(); ++i)
            it.on(way[i]);
        bool const complete = until >= way.size();
        auto const answer = it.hear(Commit{});
        EXPECT_EQ(it.journals(answer) == Journaled::committed, complete) << until;
        EXPECT_FALSE(has<action::RunGuest>(answer));
    }
}

TEST(Incoming, RefusesAVersionThatItDoesNotSpeakWithASentence) {
    Destination it;
    it.on(event::PeerMet{});
    Hello newer;
    newer.oldest = newer.newest = kNewestProtocol + 1;
    auto const answer = it.hear(newer);
    EXPECT_TRUE(it.sends<Dropped>(answer));
    EXPECT_EQ(test::find<action::Decided>(answer).sentence,
              "this host speaks versions 1 to 4 of the protocol, the source 5 to 5");
}

TEST(Incoming, SaysThatItKnowsNothingRatherThanThatItDroppedWhatItForgot) {
    Destination it;
    it.on(event::PeerMet{});
    Hello again;
    again.rejoin = true;
    auto const answer = it.hear(again);
    EXPECT_TRUE(it.sends<Status>(answer));
    EXPECT_FALSE(it.sends<Dropped>(answer));
}

TEST(Incoming, TakesAGuestThatWasGivenBeforeEverythingWasHereAsSoonAsItIs) {
    Destination it;
    it.to_receiving();
    it.hear(Suspended{});
    EXPECT_TRUE(it.hear(Commit{}).empty());
    auto const complete = it.on(event::ImageComplete{});
    EXPECT_EQ(it.journals(complete), Journaled::committed);
    EXPECT_FALSE(has<action::RunGuest>(complete)); // not before it is on the disk
    EXPECT_TRUE(has<action::RunGuest>(it.on(event::JournalDone{})));
}

TEST(Incoming, LeavesNothingBehindWhenTheSourceIsLostBeforeReady) {
    Destination it;
    it.on(event::PeerMet{});
    it.hear(Hello{});
    it.hear(Prepare{});
    it.on(event::JournalDone{});
    EXPECT_TRUE(has<action::DestroyGuest>(it.on(event::PeerLost{})));
    EXPECT_EQ(it.journals(it.on(event::GuestDestroyed{})), Journaled::nothing);
    EXPECT_TRUE(has<action::Finished>(it.on(event::JournalDone{})));
}

// The source may have sent Commit, which was lost.
TEST(Incoming, RemembersThatItGaveUpUntilTheSourceHasHeardSo) {
    for (bool const was_given : {false, true}) {
        Destination it;
        it.to_receiving();
        if (was_given)
            it.hear(Commit{});
        EXPECT_TRUE(has<action::DestroyGuest>(it.on(event::PeerLost{})));
        EXPECT_FALSE(it.journals(it.on(event::GuestDestroyed{})));
        EXPECT_TRUE(has<action::Connect>(it.on(event::TimerFired{})));
        auto const met = it.on(event::PeerMet{});
        EXPECT_EQ(std::get<Status>(test::find<action::Send>({met.at(1)}).message).state, Journaled::dropped);
        EXPECT_FALSE(has<action::RunGuest>(it.hear(Commit{})));
        EXPECT_EQ(it.journals(it.hear(Released{})), Journaled::nothing);
        EXPECT_TRUE(has<action::Finished>(it.on(event::JournalDone{})));
    }
}

TEST(Incoming, SaysAtOnceThatItCannotHaveAllOfIt) {
    Destination it;
    it.to_receiving();
    auto const failed = it.on(event::Failed{Reason::stream, "the stream is corrupt"});
    EXPECT_TRUE(it.sends<Dropped>(failed));
    EXPECT_TRUE(has<action::DestroyGuest>(failed));
    EXPECT_FALSE(it.journals(failed)); // *building* says that it is not taken
    EXPECT_EQ(test::find<action::Decided>(failed).sentence, "the stream is corrupt");
}

TEST(Incoming, HoldsWhatIsCompleteUntilItHearsMore) {
    Destination it;
    it.to_verified();
    for (unsigned i = 0; i < 5; ++i) {
        EXPECT_FALSE(has<action::DestroyGuest>(it.on(event::PeerLost{})));
        EXPECT_TRUE(it.session.in_doubt());
        EXPECT_TRUE(has<action::Connect>(it.on(event::TimerFired{})));
        EXPECT_TRUE(it.sends<Status>(it.on(event::PeerMet{})));
    }
    EXPECT_TRUE(has<action::DestroyGuest>(it.hear(Abort{})));
}

TEST(Incoming, SaysDroppedOnlyWhenThatIsOnTheDisk) {
    Destination it;
    it.to_verified();
    auto const cancelled = it.on(event::Cancel{});
    EXPECT_EQ(it.journals(cancelled), Journaled::dropped);
    EXPECT_FALSE(it.sends<Dropped>(cancelled));
    EXPECT_FALSE(has<action::RunGuest>(it.hear(Commit{}))); // too late
    EXPECT_TRUE(it.sends<Dropped>(it.on(event::JournalDone{})));
}

TEST(Incoming, DropsWhatItCannotRun) {
    Destination it;
    it.to_verified();
    it.hear(Commit{});
    it.on(event::JournalDone{});
    EXPECT_EQ(it.journals(it.on(event::Failed{Reason::hypervisor, "no"})), Journaled::dropped);
    EXPECT_TRUE(it.sends<Dropped>(it.on(event::JournalDone{})));
}

TEST(Incoming, DoesNotRunWithoutItsJournal) {
    Destination it;
    it.to_verified();
    it.hear(Commit{});
    auto const failed = it.on(event::JournalFailed{"disk full"});
    EXPECT_FALSE(has<action::RunGuest>(failed));
    EXPECT_EQ(it.journals(failed), Journaled::dropped);
    auto const again = it.on(event::JournalFailed{"disk full"});
    EXPECT_FALSE(it.sends<Dropped>(again)); // committed may be on the disk
    EXPECT_EQ(test::find<action::Decided>(again).outcome, Outcome::needs_attention);
}

TEST(Incoming, GoesOnFromWhatItsJournalSays) {
    EXPECT_EQ(Destination{Journaled::verified}.session.state(), State::blackout);
    EXPECT_EQ(Destination{Journaled::committed}.session.state(), State::commit);
    EXPECT_EQ(Destination{Journaled::resumed}.session.state(), State::resumed);
    EXPECT_EQ(Destination{Journaled::building}.session.state(), State::abort);
    EXPECT_EQ(Destination{Journaled::dropped}.session.state(), State::abort);
    EXPECT_EQ((Destination{Journaled::verified, false}.session.state()), State::abort);
}

TEST(Incoming, AsksAPersonAboutAGuestThatItsSourceDoesNotKnow) {
    Destination it{Journaled::verified};
    it.on(event::PeerMet{});
    EXPECT_EQ(test::find<action::Decided>(it.hear(Status{Journaled::nothing})).outcome, Outcome::needs_attention);
    EXPECT_EQ(it.journals(it.on(event::Resolve{true})), Journaled::committed);
}

TEST(Incoming, SurvivesAnyEventInAnyState) {
    test::throw_everything_at([] { return std::make_unique<Destination>(); });
}

} // namespace
