#include "incoming.hpp"

#include <atomic>
#include <chrono>

#include "engine/receiver.hpp"
#include "hypervisor/keeper.hpp"
#include "hypervisor/stamps.hpp"
#include "migrate/incoming.hpp"
#include "move_loop.hpp"
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

std::string host_name() {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return name;
}

class IncomingMove : public MoveLoop {
  public:
    IncomingMove(service::Workbench& bench, hypervisor::Toolstack const& tools, engine::Guardian& guardian,
                 std::string const& husk)
        : MoveLoop{bench, false}, tools_{tools}, receiver_{tools, husk, guardian} {}
    ~IncomingMove() override { stop_reading(); }

    Result<service::Summary> run(net::Link& link) {
        migrate::Incoming session{migrate::MigrationId{}, host_name(), "tern"};
        listen(link);
        MoveLoop::run(session, inbox_take_first());
        if (!decided())
            return fail(Kind::failed, "the source went away");
        auto const& [outcome, reason, why] = *decided();
        if (outcome == migrate::Outcome::needs_attention)
            return fail(Kind::attention, why);
        if (outcome == migrate::Outcome::stayed)
            return fail(Kind::failed, why);
        return json{{"vm", subject_.vm}, {"bytes", receiver_.octets()}};
    }

  private:
    migrate::Event inbox_take_first() { return inbox_.take({}); }

    void act(migrate::Action const& what) override {
        std::visit([this](auto const& one) { perform(one); }, what);
    }
    template <typename Other> void perform(Other const&) {}

    void perform(action::Build const& build) {
        if (auto const built = prepare(build.what); !built)
            return inbox_.put(event::Failed{reason_of(built.error()), sentence(built.error())});
        reader_ = std::thread{[this] { read(); }};
        inbox_.put(event::Built{});
    }
    Result<void> prepare(migrate::Prepare const& what) {
        auto wanted = TRY(preparation_from(what.configuration));
        subject_ = {.vm = what.vm, .uuid = what.uuid, .domain = 0};
        auto const layout = wanted.layout;
        TRY(receiver_.prepare(std::move(wanted.description), layout));
        subject_.domain = receiver_.domain();
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
        if (done)
            inbox_.put(event::ImageComplete{});
        else
            inbox_.put(event::Failed{migrate::Reason::stream, sentence(done.error())});
    }
    Result<void> read_all() {
        while (!receiver_.complete()) {
            auto const got = link_->stream(0).read(receiver_.room(), Clock::now() + kLook);
            if (unwanted_.load())
                return fail(Kind::cancelled, "it is not wanted any more");
            if (!got && got.error().kind == Kind::timed_out)
                continue;
            TRY(receiver_.filled(TRY(got)));
        }
        TRY(receiver_.adopt());
        receiver_.give_credit(); // the source may soon rely on it: from now on the journal says what becomes of it
        return {};
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
        auto const stamps = ran_at();
        inbox_.put(event::GuestRuns{stamps});
    }
    /// Its first instruction here, by this host's monotonic clock; 0 if that is not to be had.
    std::uint64_t ran_at() {
        // It runs as soon as a CPU has looked: that is waited for as long as it is worth to know.
        auto const end = Clock::now() + kLook;
        while (Clock::now() < end) {
            auto const stamps = hypervisor::stamps_of(tools_, receiver_.domain());
            if (!stamps)
                break;
            if (stamps.value().first_ran != 0)
                return monotonic() - (stamps.value().now - stamps.value().first_ran);
            std::this_thread::yield();
        }
        return 0;
    }
    void perform(action::DestroyGuest const&) {
        stop_reading();
        receiver_.discard();
        inbox_.put(event::GuestDestroyed{});
    }
    void perform(action::Decided const& decided) {
        if (decided.outcome != migrate::Outcome::moved || !runs_)
            return;
        if (auto const settled = receiver_.settle(); !settled)
            bench_.log(sentence(settled.error()));
        if (auto const kept = hypervisor::keep_in_background(receiver_.domain(), subject_.vm.c_str()); !kept)
            bench_.log(sentence(kept.error()));
    }

    hypervisor::Toolstack const& tools_;
    engine::Receiver receiver_;
    std::thread reader_;
    std::atomic<bool> unwanted_{false};
    bool runs_ = false;
};

} // namespace

Result<service::Summary> move_in(std::string const& husk, service::Workbench& bench) {
    auto guardian = TRY(engine::Guardian::start());
    auto const tools = TRY(hypervisor::Toolstack::open());
    auto* const link = TRY(bench.link(1));
    return IncomingMove{bench, tools, guardian, husk}.run(*link);
}

} // namespace mover
