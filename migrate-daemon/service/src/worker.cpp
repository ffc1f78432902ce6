#include "service/worker.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include <malloc.h>
#include <unistd.h>

#include "channel.hpp"
#include "net/host_name.hpp"
#include "service/history.hpp"
#include "service/log.hpp"
#include "service/results.hpp"
#include "task.hpp"
#include "json/text.hpp"

namespace service {
namespace {

using nlohmann::json;
using outcome::fail;
using outcome::Failure;
using outcome::Kind;
using outcome::Result;

/// For all connections of a migration to be there.
constexpr std::chrono::seconds kOpening{20};
/// For the other side to have heard the last word, and to end as well.
constexpr std::chrono::seconds kGoodbye{5};

class Bench : public Workbench {
  public:
    explicit Bench(Task task) : task_{std::move(task)}, log_{task_.id, task_.insecure} {
        if (auto const here = task_.request.find("here"); here != task_.request.end() && here->is_boolean())
            word_ = here->get<bool>();
    }

    [[nodiscard]] std::uint8_t streams() const override { return task_.streams; }
    Result<net::Link*> link(std::uint8_t streams) override {
        if (!open_) {
            auto const deadline = std::chrono::steady_clock::now() + kOpening;
            if (calls())
                TRY(link_.connect(TRY(call(text_in(task_.request, "host"), net::Purpose::control, streams)), deadline));
            else
                TRY(link_.accept(deadline));
            link_.set_bandwidth(task_.bandwidth);
            open_ = true;
            greet(link_.peer());
        }
        return &link_;
    }
    Result<std::unique_ptr<net::Link>> call_again(std::string const& host) override {
        auto again = std::make_unique<net::Link>();
        TRY(again->connect(TRY(call(host, net::Purpose::again, 1)), std::chrono::steady_clock::now() + kOpening));
        greet(again->peer());
        return again;
    }
    void tell(Callee* callee) override {
        std::lock_guard const guard{callee_mutex_};
        callee_ = callee;
        if (callee_ == nullptr)
            return;
        if (waiting_)
            callee_->called(std::move(waiting_));
        if (std::exchange(stop_, false))
            callee_->told_to_stop();
        if (auto const word = std::exchange(word_, std::nullopt))
            callee_->resolved(*word);
        if (alone_)
            callee_->left_alone();
    }
    void hang_up() override { link_.cancel(); }
    Result<Journal*> journal(std::string const& vm, std::string const& peer) override {
        if (!journal_) {
            auto const id = net::id_from(task_.id).value_or(net::Id{});
            journal_.emplace(TRY(Journal::create(
                task_.journals, {.id = id, .role = role(), .vm = vm, .peer = peer, .insecure = task_.insecure})));
        }
        return &*journal_;
    }
    void progress(json const& now) override { send_packet(kChannel, {{"progress", now}}); }
    void log(std::string_view line) override { log_.info(line); }
    std::vector<json> last_moves(std::string const& host) override {
        constexpr std::size_t kLookedAt = 100;
        constexpr std::size_t kMost = 5;
        std::vector<json> moves;
        for (auto& one : History{task_.history}.last(kLookedAt))
            if (moves.size() < kMost && text_in(one, "outcome") == "moved" &&
                text_in(one, "role") == name_of(Role::source) && text_in(one, "destination") == host)
                moves.push_back(std::move(one));
        return moves;
    }
    void keep_report(json const& report) override {
        std::error_code ignored;
        std::filesystem::create_directories(task_.reports, ignored);
        std::ofstream file{std::filesystem::path{task_.reports} / (task_.id + ".json")};
        file << json_text::line(report) << '\n';
        if (!file.flush())
            log_.warn("the report cannot be kept in " + task_.reports);
    }

    /// To recover: the journal of the one before, which may have it still, when it was killed a moment ago or its daemon was.
    Result<ReadJournal> take_over() {
        auto const path = std::filesystem::path{task_.journals} / (task_.id + ".journal");
        if (auto free = Journal::reopen(path)) {
            journal_.emplace(std::move(free).value());
        } else {
            progress({{"state", "wait"}, {"says", sentence(free.error())}});
            journal_.emplace(TRY(await(path)));
        }
        return read_journal(path);
    }
    /// There is nothing left to do, and nothing to tell: whoever did it has told.
    void be_silent() { silent_ = true; }
    [[nodiscard]] bool silent() const { return silent_; }
    void daemon_gone() {
        log_.warn("the daemon is gone; the migration goes on without it");
        std::lock_guard const guard{callee_mutex_};
        alone_ = true;
        if (callee_ != nullptr)
            callee_->left_alone();
        changed_.notify_all();
    }

    /// What it was told.
    void obey(Packet const& packet) {
        if (packet.content.contains("cancel")) {
            std::lock_guard const guard{callee_mutex_};
            if (callee_ != nullptr)
                callee_->told_to_stop();
            else
                stop();
        } else if (auto const word = packet.content.find("resolve");
                   word != packet.content.end() && word->is_boolean()) {
            std::lock_guard const guard{callee_mutex_};
            if (callee_ != nullptr)
                callee_->resolved(*word);
            else
                word_ = word->get<bool>();
        } else if (auto const found = packet.content.find("connection");
                   found != packet.content.end() && packet.descriptor >= 0) {
            auto const octets = found->value("hello", std::vector<std::uint8_t>{});
            auto const hello = net::hello_from(std::as_bytes(std::span{octets}));
            auto const version = found->value("version", net::kVersion);
            if (hello && hello->purpose == net::Purpose::again)
                take_call(packet.descriptor, *hello, version);
            else if (hello)
                link_.attach(packet.descriptor, *hello, version);
        }
    }
    void expect() {
        // If there are none, link() says so.
        if (auto credentials = this->credentials())
            link_.expect(std::move(credentials).value());
    }
    /// What the engine said last reaches the other side, though this process ends now.
    void say_goodbye() {
        if (open_)
            static_cast<void>(link_.close(std::chrono::steady_clock::now() + kGoodbye));
    }
    [[nodiscard]] Task const& task() const { return task_; }
    [[nodiscard]] Log const& log() const { return log_; }
    [[nodiscard]] std::string peer_name() const { return open_ ? link_.peer().name : text_in(task_.request, "host"); }
    [[nodiscard]] Role role() const { return role_of(task_); }

  private:
    [[nodiscard]] bool calls() const { return task_.kind == TaskKind::outgoing; }
    /// None: this migration goes without TLS.
    [[nodiscard]] Result<std::optional<net::Credentials>> credentials() const {
        if (task_.insecure)
            return std::optional<net::Credentials>{};
        return std::optional{TRY(net::Credentials::read(task_.keys))};
    }
    [[nodiscard]] Result<net::Call> call(std::string const& host, net::Purpose purpose, std::uint8_t streams) const {
        return net::Call{.host = host,
                         .port = task_.port,
                         .id = net::id_from(task_.id).value_or(net::Id{}),
                         .purpose = purpose,
                         .streams = streams,
                         .credentials = TRY(credentials())};
    }
    void greet(net::Peer const& peer) const {
        log_.info("connected with " + peer.name + " at " + peer.address +
                  (peer.fingerprint.empty() ? ", whoever that is: no TLS" : ", " + peer.fingerprint));
    }
    /// About a migration that both have journals of. Who does not prove who he is has no say in it.
    void take_call(int socket, net::Hello const& hello, std::uint16_t version) {
        auto credentials = this->credentials();
        if (!credentials) {
            close(socket);
            return log_.warn(sentence(credentials.error()));
        }
        auto link = std::make_unique<net::Link>();
        link->expect(std::move(credentials).value());
        link->attach(socket, hello, version);
        if (auto const open = link->accept(std::chrono::steady_clock::now() + kGoodbye); !open)
            return log_.warn(sentence(open.error()));
        greet(link->peer());
        std::lock_guard const guard{callee_mutex_};
        if (callee_ != nullptr)
            callee_->called(std::move(link));
        else
            waiting_ = std::move(link);
    }
    void stop() {
        stop_ = true;
        changed_.notify_all();
        link_.cancel();
    }
    /// Until nobody has it, or nobody wants it any more. Then the thread that waits ends with the process.
    Result<Journal> await(std::filesystem::path const& path) {
        std::thread{[this, path] {
            auto taken = Journal::await(path);
            std::lock_guard const guard{callee_mutex_};
            taken_.emplace(std::move(taken));
            changed_.notify_all();
        }}.detach();
        std::unique_lock guard{callee_mutex_};
        changed_.wait(guard, [this] { return taken_ || stop_ || alone_; });
        if (!taken_)
            return fail(Kind::attention, "it is left to the process that is at it");
        return *std::move(taken_);
    }

    Task task_;
    Log log_;
    net::Link link_;
    bool open_ = false;
    std::optional<Journal> journal_;
    bool silent_ = false;
    std::mutex callee_mutex_;
    std::condition_variable changed_;      ///< goes with callee_mutex_
    Callee* callee_ = nullptr;             ///< this and the next five: under callee_mutex_
    std::unique_ptr<net::Link> waiting_;   ///< came when there was no callee yet
    bool stop_ = false;                    ///< was told when there was none yet
    bool alone_ = false;                   ///< there is no daemon any more
    std::optional<Result<Journal>> taken_; ///< as soon as nobody else has it
    std::optional<bool> word_;             ///< a person's, the same
};

Result<Summary> run(Engine& engine, Bench& bench) {
    auto const& task = bench.task();
    switch (task.kind) {
    case TaskKind::outgoing:
        return engine.run_outgoing({.vm = text_in(task.request, "vm"),
                                    .host = text_in(task.request, "host"),
                                    .options = task.request.value("options", json::object())},
                                   bench);
    case TaskKind::incoming: TRY(bench.link(task.streams)); return engine.run_incoming(bench);
    case TaskKind::recover: break;
    }
    auto const read = TRY(bench.take_over());
    if (read.finished()) {
        bench.be_silent();
        return json{{"vm", read.head.vm}, {"says", "there was nothing left to do"}};
    }
    return engine.recover(read.head, read.entries, bench);
}

json run_to_result(EngineMaker const& make_engine, Bench& bench) {
    auto const began = std::chrono::steady_clock::now();
    auto const& task = bench.task();
    json result{{"schema", kSchema}, {"id", task.id}, {"vm", text_in(task.request, "vm")}};
    auto const outcome = [&]() -> Result<Summary> {
        try {
            auto const engine = make_engine();
            return run(*engine, bench);
        } catch (std::exception const& error) { // no memory, say
            return fail(Kind::failed, std::string{"it cannot go on: "} + error.what());
        }
    }();
    bool const source = bench.role() == Role::source;
    result["source"] = source ? net::host_name() : bench.peer_name();
    result["destination"] = source ? bench.peer_name() : net::host_name();
    result["total_ms"] = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
    if (!outcome)
        return failed_result(std::move(result), outcome.error());
    result["outcome"] = task.kind == TaskKind::recover ? "recovered" : "moved";
    if (outcome.value().is_object())
        result.update(outcome.value());
    return result;
}

/// A page that is touched for the first time costs a fault, which is dear under a hypervisor, and dearest while a guest stands still. So what
/// the engine will use is touched now, and what it gives back stays with the process.
void have_memory_ready() {
    constexpr std::size_t kWorkingSet = 16U << 20;
    constexpr int kMostOfGlibc =
        32 << 20; // it refuses a larger threshold, and then maps all that is large anew each time
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, kMostOfGlibc);
    mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    std::vector<std::byte> const touched(kWorkingSet);
}

} // namespace

int run_worker(EngineMaker const& make_engine) {
    // The terminal's signals are for the daemon, which says when to stop.
    for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
        std::signal(signal, SIG_IGN);
    Packet first;
    if (receive_packet(kChannel, first) != Received::packet || !first.content.contains("start")) {
        Log{}.error("a worker is started by migrated, and by nobody else");
        return 2;
    }
    have_memory_ready();
    Bench bench{first.content.at("start").get<Task>()};
    bench.expect();
    // It ends with the process: nothing can be waited for that would make it return.
    std::thread{[&bench] {
        for (Packet packet;;) {
            auto const received = receive_packet(kChannel, packet);
            if (received == Received::end)
                return bench.daemon_gone();
            if (received == Received::packet)
                bench.obey(packet);
        }
    }}.detach();
    auto const result = run_to_result(make_engine, bench);
    bench.say_goodbye();
    auto kept = result;
    kept["role"] = name_of(bench.role());
    if (!bench.silent())
        if (auto const added = History{bench.task().history}.add(kept); !added)
            bench.log().warn(sentence(added.error()));
    auto const code = code_of(result);
    bench.log().say(code == 0 ? Level::info : Level::error,
                    bench.silent() ? text_in(result, "says")
                                   : text_in(result, "outcome") + (code == 0 ? "" : ": " + text_in(result, "message")));
    send_packet(kChannel, {{"result", kept}});
    std::fflush(nullptr);
    _exit(code);
}

} // namespace service
