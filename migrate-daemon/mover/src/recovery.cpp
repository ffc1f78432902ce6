#include "recovery.hpp"

#include <chrono>
#include <optional>
#include <utility>

#include "arrival.hpp"
#include "hypervisor/suspension.hpp"
#include "migrate/incoming.hpp"
#include "migrate/outgoing.hpp"
#include "moments.hpp"
#include "move_loop.hpp"

namespace mover {
namespace {

using migrate::Journaled;
using nlohmann::json;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
using Guest = migrate::Outgoing::Guest;
namespace action = migrate::action;
namespace event = migrate::event;

/// For a guest that was being suspended when its process died, and may have been let go by the guardian since.
constexpr std::chrono::seconds kSuspending{5};

struct Found {
    Journaled state = Journaled::nothing;
    Subject subject;
    Guest guest = Guest::ended;
};

std::optional<Journaled> state_from(std::string const& name) {
    using enum Journaled;
    for (auto const state : {nothing, moving, commit, aborted, building, verified, committed, resumed, dropped})
        if (name == mover::name_of(state))
            return state;
    return std::nullopt;
}

Result<Found> read(hypervisor::Toolstack const& tools, service::JournalHead const& head,
                   std::vector<service::JournalEntry> const& entries) {
    Found found;
    found.subject.vm = head.vm;
    for (auto const& entry : entries) {
        auto const state = state_from(entry.state);
        if (!state)
            return fail(Kind::attention,
                        "the journal speaks of a state '" + entry.state + "' that this program does not know",
                        "is migrated older than it was? xl list on both hosts");
        found.state = *state;
        read_detail(entry.detail, found.subject);
    }
    if (!entries.empty())
        found.guest = find(tools, found.subject, entries.back().detail);
    return found;
}

/// What both ends do: hands for a session that was made from a journal.
class Recovery : public MoveLoop {
  protected:
    Recovery(service::Workbench& bench, hypervisor::Toolstack const& tools, bool source, Found found, std::string host)
        : MoveLoop{bench, source}, tools_{tools}, host_{std::move(host)}, state_{found.state}, guest_{found.guest} {
        subject_ = std::move(found.subject);
        can_be_left();
    }

    template <typename Session> Result<service::Summary> bring_to_its_end(Session session) {
        moment(source_, "recovering");
        run(session, event::Begin{});
        bool const needs_word = decided() && decided()->outcome == migrate::Outcome::needs_attention;
        if (!session.finished() && needs_word)
            return fail(Kind::attention, decided()->sentence,
                        "migrate --status, on both hosts; then migrate --resolve");
        if (!session.finished())
            return fail(Kind::attention, "it is left as it is", "the next start of migrated goes on with it");
        auto const says = !decided()   ? "there was nothing left to do"
                          : needs_word ? "a person decided: " + decided()->sentence
                                       : decided()->sentence;
        return json{{"vm", subject_.vm}, {"says", says}};
    }
    void destroy_guest() {
        if (guest_ != Guest::here)
            inbox_.put(event::GuestDestroyed{});
        else if (destroy(tools_))
            guest_ = Guest::ended;
    }

    hypervisor::Toolstack const& tools_;
    std::string host_; ///< the other's
    Journaled state_;
    Guest guest_;
};

class OutgoingRecovery : public Recovery {
  public:
    OutgoingRecovery(service::Workbench& bench, hypervisor::Toolstack const& tools, Found found, std::string host)
        : Recovery{bench, tools, true, std::move(found), std::move(host)} {}

    Result<service::Summary> run(migrate::MigrationId const& id) {
        return bring_to_its_end(migrate::Outgoing::restarted(id, state_, guest_));
    }

  private:
    void act(migrate::Action const& what) override {
        if (std::holds_alternative<action::Connect>(what))
            call_again(host_);
        else if (std::holds_alternative<action::ResumeGuest>(what))
            resume_guest();
        else if (std::holds_alternative<action::DestroyGuest>(what))
            destroy_guest();
    }
    void resume_guest() {
        if (guest_ != Guest::here)
            return inbox_.put(event::Failed{migrate::Reason::hypervisor, "it is not here any more"});
        xc_shadow_control(tools_.control(), subject_.domain, XEN_DOMCTL_SHADOW_OP_OFF, nullptr, 0);
        hypervisor::let_go(tools_, subject_.domain, subject_.way, kSuspending);
        inbox_.put(event::GuestGoesOn{});
    }
};

class IncomingRecovery : public Recovery {
  public:
    IncomingRecovery(service::Workbench& bench, hypervisor::Toolstack const& tools, Found found, std::string host)
        : Recovery{bench, tools, false, std::move(found), std::move(host)} {}

    Result<service::Summary> run(migrate::MigrationId const& id) {
        if (state_ == Journaled::resumed)
            settle_if_it_is_not();
        return bring_to_its_end(migrate::Incoming::restarted(id, state_, guest_ == Guest::here));
    }

  private:
    [[nodiscard]] bool peer_may_decide() const override {
        return state_ == Journaled::committed && guest_ != Guest::here;
    }
    void act(migrate::Action const& what) override {
        if (std::holds_alternative<action::Connect>(what)) {
            call_again(subject_.caller.empty() ? host_ : subject_.caller);
        } else if (std::holds_alternative<action::RunGuest>(what)) {
            run_guest();
        } else if (std::holds_alternative<action::DestroyGuest>(what)) {
            destroy_guest();
        } else if (auto const* const decided = std::get_if<action::Decided>(&what)) {
            if (decided->outcome != migrate::Outcome::moved)
                return;
            settle_if_it_is_not();
            inbox_.put(event::GuestSettled{});
        }
    }
    void run_guest() {
        auto const state = hypervisor::state_of(tools_, subject_.domain);
        if (!state)
            return inbox_.put(event::Failed{migrate::Reason::hypervisor, sentence(state.error())});
        if (state.value().paused && xc_domain_unpause(tools_.control(), subject_.domain) != 0)
            return inbox_.put(event::Failed{migrate::Reason::hypervisor, "it cannot be unpaused"});
        inbox_.put(event::GuestRuns{ran_at(tools_, subject_.domain)});
    }
    void settle_if_it_is_not() {
        auto const now = hypervisor::find_domain(tools_, std::to_string(subject_.domain));
        if (guest_ == Guest::here && now && now.value().name == subject_.temporary)
            settle(tools_, subject_, bench_);
    }
};

} // namespace

Result<service::Summary> recover(service::JournalHead const& head, std::vector<service::JournalEntry> const& entries,
                                 service::Workbench& bench) {
    auto const tools = TRY(hypervisor::Toolstack::open());
    auto found = TRY(read(tools, head, entries));
    bench.log("brings to its end what was cut off in state " + std::string{mover::name_of(found.state)});
    if (head.role == service::Role::source)
        return OutgoingRecovery{bench, tools, std::move(found), head.peer}.run(head.id);
    return IncomingRecovery{bench, tools, std::move(found), head.peer}.run(head.id);
}

} // namespace mover
