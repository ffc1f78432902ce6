#include "outgoing.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

#include "engine/sender.hpp"
#include "engine/stop.hpp"
#include "foresight.hpp"
#include "hypervisor/record.hpp"
#include "hypervisor/stamps.hpp"
#include "hypervisor/throttle.hpp"
#include "migrate/outgoing.hpp"
#include "moments.hpp"
#include "move_loop.hpp"
#include "options.hpp"
#include "policy/make_policy.hpp"
#include "prepare.hpp"

namespace mover {
namespace {

using hypervisor::Way;
using nlohmann::json;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
namespace action = migrate::action;
namespace event = migrate::event;
using Clock = std::chrono::steady_clock;

class OutgoingMove : public MoveLoop {
  public:
    OutgoingMove(service::Workbench& bench, hypervisor::Toolstack const& tools, engine::Guardian& guardian,
                 hypervisor::DomainName domain, std::string host, MoveOptions options)
        : MoveLoop{bench, true},
          tools_{tools},
          guardian_{guardian},
          domain_{std::move(domain)},
          host_{std::move(host)},
          options_{std::move(options)} {}

    Result<service::Summary> run() {
        way_ = options_.way ? *options_.way : TRY(way_of(tools_, domain_.id, options_.wait, [&](std::string_view why) {
            bench_.log(why);
            bench_.progress({{"state", "negotiate"}, {"says", why}});
        }));
        auto policy =
            policy::make_policy(options_.policy, {.downtime = options_.max_downtime, .timeout = options_.timeout});
        if (!policy.policy)
            return fail(Kind::precondition, policy.error);
        auto const description = TRY(engine::Description::of(tools_, domain_, way_));
        engine::Sender::How const how{
            .info = engine::fresh_stream(true, true, bench_.streams()), .level = options_.level, .live = true};
        sender_ = TRY(engine::Sender::open(tools_, domain_, description, how,
                                           [this](unsigned stream, std::vector<std::byte>& octets) -> Result<void> {
                                               if (inbox_.urgent())
                                                   return fail(Kind::failed, "it was given up");
                                               return streams_->stream(stream).write(octets);
                                           }));
        stop_.emplace(tools_, domain_.id, way_, guardian_);
        subject_.vm = domain_.name;
        subject_.uuid = domain_.uuid;
        subject_.domain = domain_.id;
        subject_.way = way_;
        migrate::Prepare prepare{.vm = domain_.name,
                                 .uuid = domain_.uuid,
                                 .frames = sender_->frames(),
                                 .vcpus = 0,
                                 .streams = bench_.streams(),
                                 .seed = how.info.seed,
                                 .cpu = {},
                                 .configuration = text_of(Preparation{description, sender_->layout()})};
        prepare.vcpus = TRY(state_of(tools_, domain_.id)).vcpus;
        migrate::Outgoing session{how.info.id, std::move(prepare), *policy.policy, options_.patience};
        MoveLoop::run(session, event::Begin{});
        return conclude();
    }

  private:
    void act(migrate::Action const& what) override {
        std::visit([this](auto const& one) { perform(one); }, what);
    }
    void before_journal(migrate::Journaled state) override {
        if (state != migrate::Journaled::commit || !stop_->begun())
            return;
        stop_->give_away(); // from now on the journal says who lets it go on
    }
    /// The daemon, and whoever watches, take a CPU to hear of it: from the guest, while it stands still, and until its devices are connected.
    [[nodiscard]] bool can_wait(migrate::action::Say const& word) const override {
        return word.state == migrate::State::commit ||
               (word.state == migrate::State::blackout && way_ == Way::transparent);
    }
    void heard(migrate::Message const& message) override {
        if (auto const* const welcome = std::get_if<migrate::Welcome>(&message); welcome != nullptr) {
            version_ = welcome->version;
        } else if (auto const* const resumed = std::get_if<migrate::Resumed>(&message); resumed != nullptr) {
            first_ran_ = resumed->stamp;
            marks_there_ = resumed->marks;
        } else if (auto const* const settled = std::get_if<migrate::Settled>(&message); settled != nullptr) {
            marks_there_ = settled->marks;
        } else if (options_.dry_run && std::holds_alternative<migrate::Ready>(message)) {
            rehearse();
        }
    }
    /// The destination has made all that it would need. Nothing more is asked of it: it hears that the guest stays.
    void rehearse() {
        guardian_.owe(engine::Debt::untrack, domain_.id);
        auto const guest = look_at(tools_, domain_.id, static_cast<double>(sender_->frames()));
        guardian_.settle(engine::Debt::untrack, domain_.id);
        if (!guest)
            return inbox_.put(event::Cancel{migrate::Reason::hypervisor, sentence(guest.error())});
        rehearsed_ = guest.value();
        inbox_.put(event::Cancel{migrate::Reason::user, "a dry run: it was not to be moved"});
    }
    Result<service::Summary> foreseen(policy::Writer const& guest);
    template <typename Other> void perform(Other const&) {}

    void perform(action::Connect const&) {
        if (has_link())
            return call_again(host_);
        auto const link = bench_.link(bench_.streams());
        if (!link) {
            connecting_failed_ = link.error();
            return inbox_.put(event::PeerLost{});
        }
        streams_ = link.value();
        meet(*streams_);
    }
    void perform(action::SendRound const& round) {
        auto const sent = send_round(round);
        if (!sent)
            return failed(sent.error());
        inbox_.put(event::RoundDone{sent.value()});
    }
    Result<policy::Observation> send_round(action::SendRound const& wanted) {
        if (wanted.round == 0) {
            bench_.progress({{"state", "precopy"}}); // the round itself is told when it is over
            guardian_.owe(engine::Debt::untrack, domain_.id);
            fixed_seconds_ = foreseen_fixed(bench_.last_moves(peer_), options_.max_downtime);
            TRY(sender_->start());
            first_round_ = Clock::now();
        }
        TRY(slow_down(wanted.how.throttle));
        auto const round = TRY(sender_->round());
        TRY(flush());
        TRY(catch_up());
        auto const dirty = TRY(sender_->harvest());
        auto const seconds =
            std::max(1e-6, std::chrono::duration<double>(Clock::now() - first_round_).count() - elapsed_);
        elapsed_ += seconds;
        policy::Observation const seen{.round = wanted.round,
                                       .frames = sender_->frames(),
                                       .sent = round.looked_at,
                                       .dirty = dirty,
                                       .round_seconds = seconds,
                                       .elapsed_seconds = elapsed_,
                                       .dirty_rate = static_cast<double>(dirty) / seconds,
                                       .bandwidth = static_cast<double>(round.octets) / seconds,
                                       .ratio = static_cast<double>(round.looked_at * hypervisor::kPageSize) /
                                                static_cast<double>(std::max<std::uint64_t>(1, round.octets)),
                                       .fixed_seconds = fixed_seconds_,
                                       .throttle = wanted.how.throttle};
        if (rounds_ == 0) {
            moment(source_, "round");
            pace_ = {seen.bandwidth, seen.ratio};
        }
        ++rounds_;
        rounds_report_.push_back({{"round", wanted.round},
                                  {"pages", round.looked_at},
                                  {"sent", round.sent},
                                  {"bytes", round.octets},
                                  {"ms", seconds * 1e3},
                                  {"dirty", dirty},
                                  {"throttle", wanted.how.throttle}});
        bench_.progress({{"state", "precopy"},
                         {"round", wanted.round},
                         {"pages", round.looked_at},
                         {"bytes", round.octets},
                         {"ms", seconds * 1e3},
                         {"dirty", dirty},
                         {"throttle", wanted.how.throttle}});
        return seen;
    }
    /// Until the kernel has all of it.
    Result<void> flush() {
        for (std::size_t i = 0; i < streams_->streams(); ++i)
            TRY(streams_->stream(i).flush());
        return {};
    }
    /// Until the destination has put all of it in place: or it would do so in the blackout. How fast pages go there is known only then, too.
    Result<void> catch_up() {
        if (version_ < migrate::kCatchesUp)
            return {};
        std::uint64_t sent = 0;
        for (std::size_t i = 0; i < streams_->streams(); ++i)
            sent += streams_->stream(i).moved();
        send_by(*streams_, migrate::CatchUp{sent});
        if (!inbox_.wait_until([&] { return caught_up_.load() >= sent; }))
            return fail(Kind::failed, "it was given up");
        return {};
    }
    void heard_of_streams(migrate::CaughtUp const& answer) override {
        caught_up_.store(answer.octets);
        inbox_.look_again();
    }
    Result<void> slow_down(double share) {
        if (share > 0 && !throttle_) {
            throttle_.emplace(TRY(hypervisor::Throttle::of(tools_, domain_.id)));
            guardian_.owe(engine::Debt::give_back_time, throttle_debt());
        }
        most_throttle_ = std::max(most_throttle_, share);
        return throttle_ ? throttle_->take(share) : Result<void>{};
    }
    /// Before its record is taken, which has the cap.
    void give_time_back() {
        if (!throttle_)
            return;
        if (auto const released = throttle_->release(); !released)
            bench_.log(sentence(released.error()));
        guardian_.settle(engine::Debt::give_back_time, throttle_debt());
        throttle_.reset();
    }
    [[nodiscard]] std::string throttle_debt() const {
        return std::to_string(domain_.id) + " " + std::to_string(throttle_->own_cap());
    }
    void perform(action::SuspendGuest const&) {
        auto record = hypervisor::RecordOf::domain(tools_, domain_.id);
        if (!record)
            return failed(record.error());
        record_.emplace(std::move(record).value());
        // What writes too fast is frozen after so much time of the CPU, whether that is given to the guest at once or in small pieces.
        give_time_back();
        mark(migrate::mark::kAsked);
        if (auto const stopped = stop_->begin(options_.suspend_patience); !stopped)
            return failed(stopped.error());
        mark(migrate::mark::kNoticed);
        if (auto const stamps = hypervisor::stamps_of(tools_, domain_.id)) {
            auto const& told = stamps.value();
            last_ran_ = as_monotonic(told.last_ran, told.now);
            if (way_ == Way::cooperative && told.timer_stopped != 0)
                mark(migrate::mark::kClockStopped, as_monotonic(told.timer_stopped, told.now));
            mark(migrate::mark::kStopped, last_ran_);
            moment(source_, "suspended");
            inbox_.put(event::GuestSuspended{last_ran_});
        } else {
            failed(stamps.error());
        }
    }
    void perform(action::SendLast const&) {
        if (auto const sent = send_last(); !sent)
            return failed(sent.error());
        inbox_.put(event::LastSent{});
    }
    Result<void> send_last() {
        auto const record = TRY(record_->take());
        mark(migrate::mark::kRecord);
        TRY(sender_->last_harvest());
        mark(migrate::mark::kHarvested);
        last_round_ = TRY(sender_->last_round());
        TRY(sender_->finish(record));
        TRY(flush());
        mark(migrate::mark::kSent);
        ++rounds_;
        return {};
    }
    void perform(action::ResumeGuest const&) {
        give_time_back();
        sender_->untrack();
        if (auto const resumed = stop_->resume(); !resumed)
            return fail_with(resumed.error());
        guardian_.settle(engine::Debt::untrack, domain_.id);
        inbox_.put(event::GuestGoesOn{});
    }
    void perform(action::DestroyGuest const&) {
        for (std::size_t i = 0; i < streams_->streams(); ++i)
            streams_->stream(i)
                .finish(); // they have ended for long; that TLS and TCP hear of it costs both hosts something
        sender_->untrack();
        guardian_.settle(engine::Debt::untrack, domain_.id);
        destroy(tools_);
    }

    /// Of rounds and stopping. What is urgent in the inbox ends them anyway: a failure on top of it would be taken for one of what comes then.
    void failed(outcome::Failure const& why) {
        if (!inbox_.urgent())
            fail_with(why);
    }
    void fail_with(outcome::Failure const& why) {
        inbox_.put(event::Failed{migrate::Reason::hypervisor, sentence(why)});
    }

    Result<service::Summary> conclude();
    std::vector<migrate::Mark> marks_of_both();
    json parts(std::span<migrate::Mark const> all);

    hypervisor::Toolstack const& tools_;
    engine::Guardian& guardian_;
    hypervisor::DomainName domain_;
    std::string host_;
    MoveOptions options_;
    Way way_ = Way::cooperative;
    std::optional<outcome::Failure> connecting_failed_;
    net::Link* streams_ = nullptr; ///< the link that pages go over
    std::unique_ptr<engine::Sender> sender_;
    std::optional<engine::Stop> stop_;
    std::optional<hypervisor::RecordOf> record_;
    std::uint32_t version_ = 0;                    ///< of the protocol, as agreed
    std::atomic<std::uint64_t> caught_up_{0};      ///< so many octets are in place there
    std::optional<hypervisor::Throttle> throttle_; ///< while it is slowed down
    double most_throttle_ = 0;
    unsigned rounds_ = 0;
    double elapsed_ = 0;
    double fixed_seconds_ = 0;                ///< of the blackout, as it is foreseen
    Pace pace_;                               ///< of the first round
    std::optional<policy::Writer> rehearsed_; ///< a dry run has come to its end, and this is the guest
    Clock::time_point first_round_;
    std::uint64_t last_ran_ = 0;  ///< by our monotonic clock
    std::uint64_t first_ran_ = 0; ///< by the peer's
    std::vector<migrate::Mark> marks_there_;
    engine::RoundReport last_round_;
    json rounds_report_ = json::array();
};

/// By this host's clock. REQUIRES: clocks_mutex_.
std::vector<migrate::Mark> OutgoingMove::marks_of_both() {
    auto all = marks();
    if (clocks_.known())
        for (auto const& mark : marks_there_)
            all.push_back({mark.name, static_cast<std::uint64_t>(clocks_.here_at(mark.at))});
    return all;
}

json OutgoingMove::parts(std::span<migrate::Mark const> all) {
    json parts{{"last_pages", last_round_.looked_at},
               {"last_pages_sent", last_round_.sent},
               {"last_bytes", last_round_.octets}};
    for (auto const& [name, ms] : migrate::parts_of(all))
        parts[std::string{name}] = ms;
    return parts;
}

/// The other host could take it. Whether it would come to that is for the policy to say, if it is known how fast pages go there.
Result<service::Summary> OutgoingMove::foreseen(policy::Writer const& guest) {
    json summary{{"vm", domain_.name},
                 {"outcome", "could_move"},
                 {"way", name_of(way_)},
                 {"frames", sender_->frames()},
                 {"pages_written_a_second", policy::written_in(guest, 1)},
                 {"forecast", nullptr}};
    auto const moves = bench_.last_moves(peer_);
    auto const pace = last_pace(moves);
    if (!pace)
        return summary;
    auto const policy =
        policy::make_policy(options_.policy, {.downtime = options_.max_downtime, .timeout = options_.timeout});
    auto const bandwidth = options_.bandwidth > 0 ? std::min(options_.bandwidth, pace->bandwidth) : pace->bandwidth;
    auto const foreseen = policy::forecast(*policy.policy, {.frames = static_cast<double>(sender_->frames()),
                                                            .guest = guest,
                                                            .bandwidth = bandwidth,
                                                            .ratio = pace->ratio,
                                                            .fixed = foreseen_fixed(moves, options_.max_downtime)});
    if (foreseen.what != policy::Decision::What::stop_and_copy)
        return fail(Kind::precondition, domain_.name + " could not be moved so: " + std::string{foreseen.reason},
                    "--max-downtime, --timeout, or --on-timeout force");
    summary["forecast"] = forecast_of(foreseen);
    return summary;
}

Result<service::Summary> OutgoingMove::conclude() {
    if (connecting_failed_)
        return base::Err{*connecting_failed_};
    if (!decided())
        return fail(Kind::attention, "how it ended is not known, and the next start of migrated asks the other host",
                    "migrate --status, on both hosts");
    auto const& [outcome, reason, why] = *decided();
    if (outcome == migrate::Outcome::needs_attention)
        return fail(Kind::attention, why);
    if (rehearsed_)
        return foreseen(*rehearsed_);
    if (outcome == migrate::Outcome::stayed)
        return fail(kind_of(reason), why + "; " + domain_.name + " runs here");
    json summary{{"throttle", most_throttle_}, {"vm", domain_.name},           {"bytes", sender_->octets()},
                 {"rounds", rounds_},          {"way", name_of(way_)},         {"guest_gap_ms", nullptr},
                 {"outside_gap_ms", nullptr},  {"bandwidth", pace_.bandwidth}, {"ratio", pace_.ratio}};
    std::lock_guard const guard{clocks_mutex_};
    auto const all = marks_of_both();
    summary["parts"] = parts(all);
    summary["clock_stood_ms"] = nullptr;
    if (auto const stood = migrate::clock_stood(all))
        summary["clock_stood_ms"] = *stood;
    if (clocks_.known() && first_ran_ != 0) {
        auto const blackout =
            static_cast<double>(clocks_.here_at(first_ran_) - static_cast<std::int64_t>(last_ran_)) / 1e6;
        summary["blackout_stamped_ms"] = summary["blackout_ms"] = blackout;
        summary["clock_error_ms"] = static_cast<double>(clocks_.error_at(last_ran_)) / 1e6;
    }
    bench_.keep_report({{"summary", summary}, {"rounds", rounds_report_}, {"foreseen_fixed_ms", fixed_seconds_ * 1e3}});
    return summary;
}

} // namespace

Result<service::Summary> move_out(service::MoveRequest const& request, service::Workbench& bench) {
    auto const options = TRY(options_from(request.options));
    auto guardian = TRY(engine::Guardian::start());
    auto const tools = TRY(hypervisor::Toolstack::open());
    auto domain = TRY(find_domain(tools, request.vm));
    return OutgoingMove{bench, tools, guardian, std::move(domain), request.host, options}.run();
}

} // namespace mover
