/// Two hosts, a wire, two journals and a guest; both sessions run in it, event by event, over queues of octets and a clock that is moved by
/// hand. Everything that takes time (a journal's entry, a round, a suspend, a connection) is a thing that can be made to happen next; so a
/// test can choose the order, kill a daemon, cut the wire or the power between any two, and look whether the guest runs twice.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "migrate/incoming.hpp"
#include "migrate/outgoing.hpp"
#include "policy/xen.hpp"
#include "proto/control.hpp"
#include "proto/journal.hpp"

namespace test {

using namespace migrate;

enum class Guest { absent, building, paused, running };

/// What a host does one after the other: each is an effect, and the event that reports it.
enum class Work { connect, round, suspend, last, resume, destroy, build, run, settle, image };

struct Host {
    std::string name;
    std::unique_ptr<Outgoing> outgoing; // the source's daemon has one of these, the destination's the other
    std::unique_ptr<Incoming> incoming;
    bool daemon = true; ///< it runs
    Guest guest = Guest::absent;
    bool lost_power = false; ///< since the guest was here
    Journaled disk = Journaled::nothing;
    std::deque<Journaled> writing; ///< asked for, not on the disk yet
    std::deque<Work> works;
    double timer = 0; ///< seconds on the clock; 0: none
    bool ran = false; ///< the guest ran here at some time
    std::optional<Outcome> outcome;
    Reason reason = Reason::none;
    unsigned said = 0;

    // Its end of the connection.
    bool connected = false;
    std::deque<std::vector<std::byte>> arriving; ///< octets on their way here; an empty one: the peer hung up
    proto::Reader reader;
};

class World {
  public:
    World() : policy_{policy::Xen::Options{}} {
        source.name = "source";
        destination.name = "destination";
        source.guest = Guest::running;
        source.outgoing = std::make_unique<Outgoing>(MigrationId{}, Prepare{}, policy_);
        give(source, event::Begin{});
    }

    /// How many things could happen next (timers apart).
    [[nodiscard]] std::size_t choices() const {
        std::size_t count = 0;
        for (auto const* host : {&source, &destination})
            count += (host->works.empty() ? 0 : 1) + (host->writing.empty() ? 0 : 1) + (host->arriving.empty() ? 0 : 1);
        return count;
    }

    /// Makes one of them happen, or, if there is none, moves the clock to the next timer. False if there is nothing at all.
    bool step(std::size_t choice) {
        ++steps;
        auto const count = choices();
        if (count == 0)
            return fire_timer();
        choice %= count;
        for (auto* host : {&source, &destination}) {
            if (!host->works.empty() && choice-- == 0)
                return work(*host), check(), true;
            if (!host->writing.empty() && choice-- == 0)
                return write(*host), check(), true;
            if (!host->arriving.empty() && choice-- == 0)
                return arrive(*host), check(), true;
        }
        return false;
    }

    /// Until nothing is left to do but to wait for a person, or everything is finished.
    void settle(std::mt19937* random = nullptr, unsigned most = 3000) {
        for (unsigned i = 0; i < most && !over(); ++i)
            if (!step(random != nullptr ? (*random)() : 0))
                return;
    }

    [[nodiscard]] bool over() const { return !source.outgoing && !destination.incoming && choices() == 0; }

    // What breaks.

    void cut() {
        lose(source);
        lose(destination);
    }
    /// The daemon is gone, with what it was about to write: `done` of its journal's entries and works had their effect, unreported.
    void kill(Host& host, std::size_t done) {
        for (; !host.writing.empty() && done > 0; --done) {
            host.disk = host.writing.front();
            host.writing.pop_front();
        }
        for (; !host.works.empty() && done > 0; --done) {
            effect(host, host.works.front());
            host.works.pop_front();
        }
        host.writing.clear();
        host.works.clear();
        host.outgoing.reset();
        host.incoming.reset();
        host.timer = 0;
        host.daemon = false;
        hang_up(host);
        check();
    }
    void start(Host& host) {
        host.daemon = true;
        if (host.disk == Journaled::nothing)
            return;
        if (proto::is_outgoing(host.disk)) {
            auto const guest = host.guest != Guest::absent ? Outgoing::Guest::here
                               : host.lost_power           ? Outgoing::Guest::lost_with_host
                                                           : Outgoing::Guest::ended;
            host.outgoing = std::make_unique<Outgoing>(Outgoing::restarted({}, host.disk, guest));
        } else {
            host.incoming = std::make_unique<Incoming>(Incoming::restarted({}, host.disk, host.guest != Guest::absent));
        }
        give(host, event::Begin{});
    }
    void cut_power(Host& host, std::size_t done) {
        kill(host, done);
        host.guest = Guest::absent;
        host.lost_power = true;
    }

    void give(Host& host, Event const& event) {
        Actions actions;
        if (host.outgoing)
            actions = host.outgoing->on(event);
        else if (host.incoming)
            actions = host.incoming->on(event);
        for (auto const& one : actions)
            std::visit([&](auto const& it) { perform(host, it); }, one);
        if ((host.outgoing && host.outgoing->finished()) || (host.incoming && host.incoming->finished())) {
            host.outgoing.reset();
            host.incoming.reset();
            host.timer = 0;
        }
    }

    [[nodiscard]] Host& peer_of(Host const& host) { return &host == &source ? destination : source; }

    Host source;
    Host destination;
    double now = 0;
    unsigned steps = 0;
    bool fails_to_run = false; ///< RunGuest fails, the guest having not run

  private:
    void check() {
        ASSERT_FALSE(source.guest == Guest::running && destination.guest == Guest::running) << "two run";
        source.ran |= source.guest == Guest::running;
        destination.ran |= destination.guest == Guest::running;
    }

    bool fire_timer() {
        Host* next = nullptr;
        for (auto* host : {&source, &destination})
            if (host->timer > 0 && (next == nullptr || host->timer < next->timer))
                next = host;
        if (next == nullptr)
            return false;
        now = next->timer;
        next->timer = 0;
        give(*next, event::TimerFired{});
        check();
        return true;
    }

    // Connections: both ends come and go together, but what is under way at a hang-up still arrives.

    void connect(Host& host) {
        auto& peer = peer_of(host);
        if (!peer.daemon)
            return give(host, event::PeerLost{});
        if (host.connected || peer.connected)
            cut(); // one connection at a time
        for (auto* end : {&host, &peer}) {
            end->connected = true;
            end->reader = {};
            end->arriving.clear();
        }
        give(host, event::PeerMet{});
        if (peer.outgoing || peer.incoming)
            give(peer, event::PeerMet{});
    }
    void lose(Host& host) {
        host.arriving.clear();
        if (std::exchange(host.connected, false))
            give(host, event::PeerLost{});
    }
    void hang_up(Host& host) {
        if (!std::exchange(host.connected, false))
            return;
        host.arriving.clear();
        if (peer_of(host).connected)
            peer_of(host).arriving.emplace_back();
    }
    void arrive(Host& host) {
        auto const octets = host.arriving.front();
        host.arriving.pop_front();
        if (octets.empty())
            return lose(host);
        host.reader.feed(octets);
        for (;;) {
            auto const next = host.reader.next();
            ASSERT_TRUE(next);
            if (!next.value())
                return;
            receive(host, *next.value());
        }
    }
    void receive(Host& host, Message const& message) {
        auto const* hello = std::get_if<Hello>(&message);
        if (hello != nullptr && !host.outgoing && !host.incoming) {
            if (hello->rejoin || &host == &source) {
                send(host, answer_unknown());
                return hang_up(host);
            }
            host.incoming = std::make_unique<Incoming>(MigrationId{});
            give(host, event::PeerMet{});
        }
        give(host, event::Received{message});
    }
    void send(Host& host, Message const& message) {
        if (!host.connected)
            return;
        std::vector<std::byte> octets;
        ASSERT_TRUE(proto::write(message, octets));
        peer_of(host).arriving.push_back(std::move(octets));
    }

    void write(Host& host) {
        host.disk = host.writing.front();
        host.writing.pop_front();
        give(host, event::JournalDone{});
    }

    // What is done to guests.

    bool effect(Host& host, Work work) {
        auto const was = host.guest;
        switch (work) {
        case Work::suspend: host.guest = was == Guest::running ? Guest::paused : was; return was != Guest::absent;
        case Work::resume: host.guest = was == Guest::absent ? was : Guest::running; return was != Guest::absent;
        case Work::destroy: host.guest = Guest::absent; return true;
        case Work::build: host.guest = Guest::building; return true;
        case Work::image: host.guest = was == Guest::building ? Guest::paused : was; return true;
        case Work::run:
            if (was == Guest::absent || fails_to_run)
                return false;
            EXPECT_NE(was, Guest::building) << "a guest is run that is not complete";
            host.guest = Guest::running;
            return true;
        default: return true;
        }
    }

    void work(Host& host) {
        auto const work = host.works.front();
        host.works.pop_front();
        if (work == Work::connect)
            return connect(host);
        if (!effect(host, work))
            return give(host, event::Failed{Reason::hypervisor, "it failed"});
        switch (work) {
        case Work::round: return give(host, event::RoundDone{seen()});
        case Work::suspend: return give(host, event::GuestSuspended{1});
        case Work::last:
            // The data connections: what was sent is complete at the other end some time later, if it still listens.
            if (host.connected && destination.connected)
                destination.works.push_back(Work::image);
            return give(host, event::LastSent{});
        case Work::resume: return give(host, event::GuestGoesOn{});
        case Work::destroy: return give(host, event::GuestDestroyed{});
        case Work::build: return give(host, event::Built{});
        case Work::image: return give(host, event::ImageComplete{});
        case Work::run: host.works.push_back(Work::settle); return give(host, event::GuestRuns{2});
        case Work::settle: return give(host, event::GuestSettled{});
        case Work::connect: return;
        }
    }
    [[nodiscard]] policy::Observation seen() {
        policy::Observation it;
        it.round = rounds_++;
        it.dirty = it.round < 2 ? 1000 : 10;
        return it;
    }

    void perform(Host& host, action::Connect const&) { host.works.push_back(Work::connect); }
    void perform(Host& host, action::Send const& it) { send(host, it.message); }
    void perform(Host& host, action::Hangup const&) { hang_up(host); }
    void perform(Host& host, action::WriteJournal const& it) { host.writing.push_back(it.state); }
    void perform(Host& host, action::SetTimer const& it) { host.timer = it.seconds > 0 ? now + it.seconds : 0; }
    void perform(Host& host, action::Say const& it) {
        ++host.said;
        EXPECT_FALSE(it.sentence.empty());
    }
    void perform(Host& host, action::Decided const& it) {
        host.outcome = it.outcome;
        host.reason = it.reason;
        EXPECT_FALSE(it.sentence.empty());
    }
    void perform(Host&, action::Finished const&) {}
    void perform(Host& host, action::SendRound const&) { host.works.push_back(Work::round); }
    void perform(Host&, action::StopRounds const&) {}
    void perform(Host& host, action::SuspendGuest const&) { host.works.push_back(Work::suspend); }
    void perform(Host& host, action::SendLast const&) { host.works.push_back(Work::last); }
    void perform(Host& host, action::ResumeGuest const&) { host.works.push_back(Work::resume); }
    void perform(Host& host, action::DestroyGuest const&) { host.works.push_back(Work::destroy); }
    void perform(Host& host, action::Build const&) { host.works.push_back(Work::build); }
    void perform(Host& host, action::RunGuest const&) { host.works.push_back(Work::run); }

    policy::Xen policy_;
    std::uint32_t rounds_ = 0;
};

} // namespace test
