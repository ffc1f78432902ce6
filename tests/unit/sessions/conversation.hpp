/// One session, spoken to by a test.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "migrate/incoming.hpp"
#include "migrate/outgoing.hpp"
#include "policy/xen.hpp"

namespace test {

template <typename A> A const* look_for(migrate::Actions const& actions) {
    for (auto const& one : actions)
        if (auto const* found = std::get_if<A>(&one))
            return found;
    return nullptr;
}
template <typename A> bool has(migrate::Actions const& actions) { return look_for<A>(actions) != nullptr; }
/// The first action of this kind; one as new if there is none, with a failure.
template <typename A> A find(migrate::Actions const& actions) {
    auto const* const found = look_for<A>(actions);
    EXPECT_NE(found, nullptr);
    return found != nullptr ? *found : A{};
}

template <typename Session> struct Conversation {
    explicit Conversation(Session first) : session{std::move(first)} {}

    Session session;

    migrate::Actions on(migrate::Event const& event) { return session.on(event); }
    migrate::Actions hear(migrate::Message const& message) { return on(migrate::event::Received{message}); }

    template <typename M> static bool sends(migrate::Actions const& actions) {
        for (auto const& one : actions)
            if (auto const* sent = std::get_if<migrate::action::Send>(&one))
                if (std::holds_alternative<M>(sent->message))
                    return true;
        return false;
    }
    /// What is to be written; `building` at the source, which never is, if nothing is.
    static std::optional<migrate::Journaled> journals(migrate::Actions const& actions) {
        auto const* const found = look_for<migrate::action::WriteJournal>(actions);
        return found != nullptr ? std::optional{found->state} : std::nullopt;
    }
};

/// Thousands of events at random; that nothing is asserted, and what is finished says nothing.
template <typename Make> void throw_everything_at(Make const& make) {
    using namespace migrate;
    std::vector<Event> events{
        event::PeerMet{},        event::PeerLost{},      event::JournalDone{}, event::JournalDone{},
        event::JournalFailed{},  event::TimerFired{},    event::Failed{},      event::Cancel{},
        event::Resolve{true},    event::Resolve{false},  event::Begin{},       event::RoundDone{},
        event::GuestSuspended{}, event::LastSent{},      event::GuestGoesOn{}, event::GuestDestroyed{},
        event::Built{},          event::ImageComplete{}, event::GuestRuns{},   event::GuestSettled{}};
    for (Message const& message :
         std::initializer_list<Message>{Hello{}, Welcome{}, Prepare{}, Ready{}, Verified{}, Commit{}, Committed{},
                                        Resumed{}, Settled{}, Dropped{}, Abort{}, Released{}})
        events.emplace_back(event::Received{message});
    for (unsigned state = 0; state <= static_cast<unsigned>(Journaled::dropped); ++state)
        events.emplace_back(event::Received{Status{Journaled(state)}});

    std::mt19937 random{1};
    for (unsigned round = 0; round < 300; ++round) {
        auto const it = make();
        for (unsigned i = 0; i < 60; ++i) {
            bool const was_finished = it->session.finished();
            auto const actions = it->on(events[random() % events.size()]);
            ASSERT_FALSE(was_finished && !actions.empty());
        }
    }
}

} // namespace test
