/// What both ends do the same way: a session is asked, its actions are done one after the other, and what became of them goes into the inbox.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include "clocks.hpp"
#include "inbox.hpp"
#include "migrate/clock_relation.hpp"
#include "net/link.hpp"
#include "proto/control.hpp"
#include "service/engine.hpp"

namespace mover {

std::string_view name_of(migrate::Journaled state);

/// Of the guest, for the journal: how a later daemon finds it.
struct Subject {
    std::string vm;
    std::string uuid;
    std::uint32_t domain = 0;
};

/// The kernel's name for this start of the host.
std::string boot_id();

class MoveLoop {
  public:
    MoveLoop(service::Workbench& bench, bool source) : bench_{bench}, source_{source} {}
    MoveLoop(MoveLoop const&) = delete;
    MoveLoop& operator=(MoveLoop const&) = delete;
    virtual ~MoveLoop();

  protected:
    /// What is to be done about the guest, and what was decided about it.
    virtual void act(migrate::Action const& what) = 0;
    /// This will be on the disk next.
    virtual void before_journal(migrate::Journaled /*state*/) {}
    /// The peer says so; the session is told next.
    virtual void heard(migrate::Message const& /*message*/) {}

    /// Has the peer's words come into the inbox; answers its questions about the time at once.
    void listen(net::Link& link);

    /// Until the session has finished, or a person is needed.
    template <typename Session> void run(Session& session, migrate::Event event) {
        for (;;) {
            if (auto const* const received = std::get_if<migrate::event::Received>(&event))
                heard(received->message);
            for (auto const& action : session.on(event))
                perform(action);
            if (session.finished() || (decided_ && decided_->outcome == migrate::Outcome::needs_attention))
                return;
            event = inbox_.take(deadline_);
            if (std::holds_alternative<migrate::event::TimerFired>(event))
                deadline_.reset();
        }
    }

    /// What the session decided; why a connection failed.
    [[nodiscard]] std::optional<migrate::action::Decided> const& decided() const { return decided_; }

    service::Workbench& bench_;
    Inbox inbox_;
    Subject subject_;
    std::string peer_;
    std::mutex clocks_mutex_;
    migrate::ClockRelation clocks_; ///< the peer's monotonic clock and ours; under clocks_mutex_
    net::Link* link_ = nullptr;

  private:
    void perform(migrate::Action const& action);
    void write_journal(migrate::Journaled state);
    void send(migrate::Message const& message);
    void hear_all();
    void hear(migrate::Message message);
    void ask_the_time();

    bool source_;
    unsigned asked_ = 0; ///< the time: by the listener alone
    std::thread listener_;
    std::optional<Inbox::Clock::time_point> deadline_;
    std::optional<migrate::action::Decided> decided_;
};

} // namespace mover
