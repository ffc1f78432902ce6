#include "incoming.hpp"

#include <atomic>
#include <chrono>

#include "arrival.hpp"
#include "crew/crew.hpp"
#include "engine/receiver.hpp"
#include "hypervisor/devices.hpp"
#include "hypervisor/first_packet.hpp"
#include "migrate/in_place.hpp"
#include "migrate/incoming.hpp"
#include "moments.hpp"
#include "move_loop.hpp"
#include "net/host_name.hpp"
#include "prepare.hpp"

namespace mover {
namespace {

using nlohmann::json;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
namespace action = migrate::action;
namespace event = migrate::event;
using Clock = std::chrono::steady_clock;

/// How often the reader looks whether it is wanted still.
constexpr std::chrono::milliseconds kLook{200};
/// For a guest's devices: less than the source waits for Settled (migrate::Patience).
constexpr std::chrono::seconds kConnecting{5};
/// What has a network says so at once.
constexpr std::chrono::milliseconds kSpeaking{200};

class IncomingMove : public MoveLoop {
  public:
    IncomingMove(service::Workbench& bench, hypervisor::Toolstack const& tools, engine::Guardian& guardian,
                 std::string const& husk, net::Link& link)
        : MoveLoop{bench, false},
          tools_{tools},
          streams_{link},
          receiver_{tools, husk, guardian, static_cast<unsigned>(link.streams())},
          readers_{static_cast<unsigned>(link.streams())} {}
    ~IncomingMove() override { stop_reading(); }

    Result<service::Summary> run() {
        migrate::Incoming session{migrate::MigrationId{}, net::host_name(), "tern"};
        subject_.caller = streams_.peer().address;
        meet(streams_);
        MoveLoop::run(session, inbox_.take({}));
        // Complete, and not for this process to decide: whoever reads the journal next finds it.
        if (!session.finished() && receiver_.verified())
            receiver_.keep_paused();
        if (!decided())
            return fail(Kind::attention,
                        "whether it runs here is not known, and the next start of migrated asks the source",
                        "migrate --status, on both hosts");
        auto const& [outcome, reason, why] = *decided();
        if (outcome == migrate::Outcome::needs_attention)
            return fail(Kind::attention, why);
        if (outcome == migrate::Outcome::stayed)
            return fail(kind_of(reason), why);
        return json{{"vm", subject_.vm}, {"bytes", receiver_.octets()}};
    }

  private:
    void act(migrate::Action const& what) override {
        std::visit([this](auto const& one) { perform(one); }, what);
    }
    void heard(migrate::Message const& message) override {
        if (std::holds_alternative<migrate::Commit>(message))
            mark(migrate::mark::kGiven);
        auto const* const prepare = std::get_if<migrate::Prepare>(&message);
        if (prepare == nullptr || !subject_.uuid.empty())
            return;
        subject_.vm = prepare->vm;
        subject_.uuid = prepare->uuid;
        subject_.temporary =
            engine::Receiver::temporary_name(subject_.vm); // in the journal before there is such a domain
    }
    template <typename Other> void perform(Other const&) {}

    void perform(action::Connect const&) { call_again(subject_.caller); }
    void perform(action::Build const& build) {
        if (auto const built = prepare(build.what); !built)
            return inbox_.put(event::Failed{reason_of(built.error()), sentence(built.error())});
        reader_ = std::thread{[this] { read(); }};
        inbox_.put(event::Built{});
    }
    Result<void> prepare(migrate::Prepare const& what) {
        auto wanted = TRY(preparation_from(what.configuration));
        auto const layout = wanted.layout;
        subject_.way = wanted.description.way;
        subject_.configuration = wanted.description.configuration;
        TRY(receiver_.prepare(std::move(wanted.description), layout));
        subject_.domain = receiver_.domain();
        first_packet_ = hypervisor::FirstPacket::of(tools_, subject_.domain);
        return {};
    }
    static migrate::Reason reason_of(outcome::Failure const& why) {
        return why.kind == Kind::precondition ? migrate::Reason::conflict : migrate::Reason::hypervisor;
    }

    /// A thread of its own.
    void read() {
        auto const done = read_all();
        if (unwanted_.load())
            return;
        if (!done)
            return inbox_.put(event::Failed{migrate::Reason::stream, sentence(done.error())});
        moment(source_, "complete");
        inbox_.put(event::ImageComplete{});
    }
    Result<void> read_all() {
        TRY(readers_.all([this](unsigned stream) {
            auto const done = read_stream(stream);
            if (!done)
                broken_.store(true); // the others have nothing to wait for
            return done;
        }));
        TRY(receiver_.verify());
        mark(migrate::mark::kWhole);
        TRY(receiver_.adopt());
        mark(migrate::mark::kAdopted);
        receiver_.give_credit(); // the source may rely on it: from now on the journal says what becomes of it
        return {};
    }
    Result<void> read_stream(unsigned stream) {
        while (!receiver_.ended(stream)) {
            auto const got = streams_.stream(stream).read(receiver_.room(stream), Clock::now() + kLook);
            if (broken_.load())
                return {}; // who broke it says why
            if (unwanted_.load())
                return fail(Kind::cancelled, "it is not wanted any more");
            if (!got && got.error().kind == Kind::timed_out)
                continue;
            TRY(receiver_.filled(TRY(got), stream));
            tell(in_place_.put(got.value()));
        }
        return {};
    }
    void heard_of_streams(migrate::CatchUp const& question) override { tell(in_place_.asked(question)); }
    void tell(std::optional<migrate::CaughtUp> const& answer) {
        if (answer)
            send_by(streams_, *answer);
    }
    void stop_reading() {
        unwanted_.store(true);
        if (reader_.joinable())
            reader_.join();
    }

    void perform(action::RunGuest const&) {
        if (reader_.joinable())
            reader_.join();
        if (auto const started = receiver_.start(); !started)
            return inbox_.put(event::Failed{migrate::Reason::hypervisor, sentence(started.error())});
        runs_ = true;
        auto const ran = ran_at(tools_, receiver_.domain());
        if (ran != 0)
            mark(migrate::mark::kRuns, ran);
        moment(source_, "runs");
        inbox_.put(event::GuestRuns{ran, marks()});
    }
    void perform(action::DestroyGuest const&) {
        can_be_left(); // only the source is still to hear of it, and the journal says so
        stop_reading();
        receiver_.discard();
        inbox_.put(event::GuestDestroyed{});
    }
    void perform(action::Decided const& decided) {
        if (decided.outcome != migrate::Outcome::moved || !runs_)
            return;
        // Whatever runs here meanwhile would take the machine from the guest.
        see_it_connected();
        settle(tools_, subject_, bench_);
        inbox_.put(event::GuestSettled{marks()});
    }
    void see_it_connected() {
        auto const domain = receiver_.domain();
        if (subject_.way != hypervisor::Way::cooperative)
            return; // its devices have not changed, nor has its clock
        if (hypervisor::await_connected(tools_, domain, kConnecting)) {
            mark(migrate::mark::kConnected);
            if (auto const heard = first_packet_ ? first_packet_->await(kSpeaking) : std::nullopt)
                mark(migrate::mark::kHeard, *heard);
        }
        if (auto const goes = clock_went_on_at(tools_, domain); goes != 0)
            mark(migrate::mark::kClockGoes, goes);
    }

    hypervisor::Toolstack const& tools_;
    net::Link& streams_; ///< the link that pages come over
    engine::Receiver receiver_;
    migrate::InPlace in_place_;
    crew::Crew readers_; ///< a member for each stream; its threads end when the guest waits no more
    std::thread reader_;
    std::atomic<bool> unwanted_{false};
    std::atomic<bool> broken_{false}; ///< a stream is
    bool runs_ = false;
    std::optional<hypervisor::FirstPacket> first_packet_; ///< made early: to begin to listen costs the host some work
};

} // namespace

Result<service::Summary> move_in(std::string const& husk, service::Workbench& bench) {
    auto guardian = TRY(engine::Guardian::start());
    auto const tools = TRY(hypervisor::Toolstack::open());
    auto* const link = TRY(bench.link(0));
    return IncomingMove{bench, tools, guardian, husk, *link}.run();
}

} // namespace mover
