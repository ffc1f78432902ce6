/// What both ends do the same way: a session is asked, its actions are done one after the other, and what became of them goes into the inbox.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "clocks.hpp"
#include "inbox.hpp"
#include "migrate/blackout.hpp"
#include "migrate/clock_relation.hpp"
#include "net/link.hpp"
#include "proto/control.hpp"
#include "service/engine.hpp"
#include "subject.hpp"

namespace mover {

/// A journal's word for it.
std::string_view name_of(migrate::Journaled state);
/// What a user is told when a move ended for it.
outcome::Kind kind_of(migrate::Reason reason);

class MoveLoop : private service::Callee {
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

    /// While the peer is there, @p word need not be heard before something takes long, or all is over.
    [[nodiscard]] virtual bool can_wait(migrate::action::Say const& /*word*/) const { return false; }
    /// A person at the other host can end what a person is needed for, so its call is waited for.
    [[nodiscard]] virtual bool peer_may_decide() const { return false; }

    /// How far the streams are, which is not the session's business: asked and answered at once. The listener's thread.
    virtual void heard_of_streams(migrate::CatchUp const& /*message*/) {}
    virtual void heard_of_streams(migrate::CaughtUp const& /*message*/) {}

    /// The worker's own link. Has the peer's words come into the inbox; answers its questions about the time at once.
    void meet(net::Link& link);
    /// Calls @p host about this migration, which both know of.
    void call_again(std::string const& host);
    /// Any thread, if @p link is the worker's own.
    static void send_by(net::Link& link, migrate::Message const& message);
    /// The domain of this host goes, and the session is told. False: it could not be destroyed.
    bool destroy(hypervisor::Toolstack const& tools);
    /// Something of the blackout (migrate/blackout.hpp) happens now, or did @p at. Any thread.
    void mark(std::string_view name, std::uint64_t at = monotonic());
    [[nodiscard]] std::vector<migrate::Mark> marks();
    /// From now on the guest may be the other host's: whoever wants this process to end leaves the rest to another one.
    void can_be_left() { can_be_left_.store(true); }

    /// Until the session has finished, a person is needed, or the rest is left to whoever reads the journal next.
    template <typename Session> void run(Session& session, migrate::Event event) {
        bench_.tell(this);
        for (;;) {
            note(event);
            for (auto const& action : session.on(event))
                perform(action);
            bool const needs_word = decided_ && decided_->outcome == migrate::Outcome::needs_attention;
            if (session.finished() || (needs_word && !has_word_.load() && !peer_may_decide()))
                break;
            if ((told_to_stop_.load() || alone_.load()) && can_be_left_.load() && !met_)
                break;
            event = next();
        }
        say_what_waited();
        bench_.tell(nullptr);
    }

    /// What the session decided; why a connection failed.
    [[nodiscard]] std::optional<migrate::action::Decided> const& decided() const { return decided_; }
    [[nodiscard]] bool has_link() const { return link_ != nullptr; }

    service::Workbench& bench_;
    bool const source_;
    Inbox inbox_;
    Subject subject_;
    std::string peer_;
    std::mutex clocks_mutex_;
    migrate::ClockRelation clocks_; ///< the peer's monotonic clock and ours; under clocks_mutex_
    net::Link* link_ = nullptr;     ///< replaced by the loop's thread alone, when nobody listens to it

  private:
    void called(std::unique_ptr<net::Link> link) override;
    void told_to_stop() override;
    void resolved(bool here) override;
    void left_alone() override;

    migrate::Event next();
    void note(migrate::Event const& event);
    void perform(migrate::Action const& action);
    void say_what_waited();
    void write_journal(migrate::Journaled state);
    void send(migrate::Message const& message);
    void listen_to(net::Link& link);
    void stop_listening();
    void hear_all();
    void hear(migrate::Message message);
    void ask_the_time();

    std::mutex marks_mutex_;
    std::vector<migrate::Mark> marks_; ///< under marks_mutex_
    bool met_ = false;                 ///< the session knows of a connection
    unsigned asked_ = 0;               ///< the time: by the listener alone
    std::thread listener_;
    std::atomic<bool> replaced_{false}; ///< nobody wants to know what becomes of the link
    std::unique_ptr<net::Link> again_;  ///< the link, if it is not the worker's own
    std::mutex links_mutex_;
    std::unique_ptr<net::Link> called_; ///< the peer called, and the session does not know yet; under links_mutex_
    std::atomic<bool> told_to_stop_{false}, alone_{false}, can_be_left_{false}, has_word_{false};
    std::optional<Inbox::Clock::time_point> deadline_;
    std::optional<migrate::action::Decided> decided_;
    std::vector<migrate::action::Say> waiting_words_;
};

} // namespace mover
