#include "service/daemon.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <asio/local/stream_protocol.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include "metrics_door.hpp"
#include "net/door.hpp"
#include "net/host_name.hpp"
#include "service/journal.hpp"
#include "service/results.hpp"
#include "session.hpp"
#include "supervisor.hpp"
#include "json/text.hpp"

namespace service {

using asio::local::stream_protocol;
using net::text_of;
using nlohmann::json;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

class Daemon::Impl : public net::Door::Owner {
  public:
    Impl(asio::io_context& its, Settings chosen, std::string worker)
        : context{its},
          settings{std::move(chosen)},
          supervisor{context, settings, std::move(worker), metrics},
          acceptor{context} {}
    ~Impl() override {
        std::error_code ignored;
        if (acceptor.is_open())
            std::filesystem::remove(settings.socket, ignored);
    }

    Result<void> listen_at_socket();
    void accept_callers();
    void look_at_journals();

    // The door's.
    net::Answer decide(std::optional<net::Hello> const& hello, std::string const& from) override;
    void take(int socket, net::Hello const& hello, std::uint16_t version) override;
    net::Answer judge_migration(net::Hello const& hello, net::Answer welcome) const;

    // The socket's.
    json answer(json const& request);
    json status() const;
    json report(std::string const& which) const;

    asio::io_context& context;
    Settings settings;
    std::string const host = net::host_name();
    Metrics metrics;
    Supervisor supervisor;
    Log log;
    stream_protocol::acceptor acceptor;
    std::unique_ptr<net::Door> door;
    std::unique_ptr<MetricsDoor> metrics_door;
};

Result<void> Daemon::Impl::listen_at_socket() {
    std::error_code error;
    auto const& path = settings.socket;
    std::filesystem::create_directories(path.parent_path(), error);
    asio::error_code failed;
    stream_protocol::socket other{context};
    other.connect(path.string(), failed);
    if (!failed)
        return fail(Kind::precondition, "a daemon listens at " + path.string() + " already");
    std::filesystem::remove(path, error); // one that has gone left it
    auto const before = umask(0077);
    acceptor.open({}, failed);
    if (!failed)
        acceptor.bind(path.string(), failed);
    umask(before);
    if (!failed)
        acceptor.listen(16, failed);
    if (failed)
        return fail(Kind::precondition, "nobody can ask at " + path.string() + ": " + failed.message());
    fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    accept_callers();
    return {};
}

void Daemon::Impl::accept_callers() {
    acceptor.async_accept([this](asio::error_code error, stream_protocol::socket socket) {
        if (error == asio::error::operation_aborted)
            return;
        if (!error)
            std::make_shared<Session>(std::move(socket), supervisor, [this](json const& request) {
                return answer(request);
            })->begin();
        accept_callers();
    });
}

void Daemon::Impl::look_at_journals() {
    auto const all = read_journals(settings.journals);
    for (auto const& line : all.unreadable)
        log.warn(line);
    for (auto const& one : all.journals) {
        if (one.finished())
            continue;
        auto const id = text_of(one.head.id);
        auto const state = one.entries.empty() ? "" : " in state " + one.entries.back().state;
        // One that was killed has it until it is gone, and may not have ended yet.
        log.warn("migration " + id + " of " + one.head.vm +
                 (one.in_use ? " has a process of an earlier daemon" + state + ", whose end is waited for"
                             : " was cut off" + state) +
                 "; who has the domain: " + std::string{name_of(one.holder())});
        if (auto const begun = supervisor.recover(one.head); !begun)
            log.error(sentence(begun.error()));
    }
}

net::Answer Daemon::Impl::decide(std::optional<net::Hello> const& hello, std::string const& from) {
    std::error_code ignored;
    net::Terms const terms{.tls = std::filesystem::exists(settings.keys / "key.pem", ignored),
                           .insecure = settings.insecure};
    auto answer = judge(hello, terms, host);
    if (answer.verdict == net::Verdict::welcome && hello->purpose == net::Purpose::certificate) {
        auto const own = net::own_certificate(settings.keys);
        answer = own ? net::Answer{answer.version, net::Verdict::welcome, own.value().pem}
                     : net::Answer{0, net::Verdict::has_no_tls, host + " has no key"};
    } else if (answer.verdict == net::Verdict::welcome) {
        answer = judge_migration(*hello, answer);
    }
    if (answer.verdict != net::Verdict::welcome) {
        metrics.refused_at_the_door();
        log.warn("a connection from " + from + " is refused: " + answer.text);
    }
    return answer;
}

net::Answer Daemon::Impl::judge_migration(net::Hello const& hello, net::Answer welcome) const {
    auto const id = text_of(hello.id);
    bool const here = supervisor.has(id);
    if (hello.purpose == net::Purpose::data)
        return here ? welcome : net::Answer{0, net::Verdict::unknown_migration, host + " knows no migration " + id};
    if (hello.purpose == net::Purpose::again) {
        auto const journal = read_journal(settings.journals / (id + ".journal"));
        if (!journal || journal.value().finished())
            return {0, net::Verdict::unknown_migration, host + " has no journal of migration " + id};
        if (supervisor.can_be_called(id))
            return welcome;
    }
    if (here)
        return {0, net::Verdict::busy, host + " is busy with migration " + id + " already"};
    if (supervisor.full())
        return {0, net::Verdict::busy, host + " has as many migrations under way as it may"};
    return welcome;
}

void Daemon::Impl::take(int socket, net::Hello const& hello, std::uint16_t version) {
    auto const id = text_of(hello.id);
    if (hello.purpose == net::Purpose::again && !supervisor.has(id))
        if (auto const journal = read_journal(settings.journals / (id + ".journal")))
            if (auto const begun = supervisor.recover(journal.value().head); !begun)
                log.error(sentence(begun.error()));
    if (hello.purpose != net::Purpose::control)
        supervisor.pass(hello, version, socket);
    else if (auto const begun = supervisor.receive(hello, version, socket); !begun)
        log.error(sentence(begun.error()));
}

json Daemon::Impl::answer(json const& request) {
    auto const what = text_in(request, "request");
    if (what == "status")
        return status();
    if (what == "history") {
        auto const last = std::max<std::int64_t>(number_in(request, "last").value_or(20), 0);
        return {{"schema", kSchema},
                {"host", host},
                {"migrations", History{settings.history}.last(static_cast<std::size_t>(last))}};
    }
    if (what == "report")
        return report(text_in(request, "id"));
    if (what == "cancel") {
        auto const which = text_in(request, "id");
        if (supervisor.cancel(which))
            return {{"schema", kSchema}, {"id", which}, {"outcome", "cancelling"}};
        return failed_result(json::object(),
                             {Kind::precondition, "no migration " + which + " is under way", "migrate --status"});
    }
    if (what == "resolve") {
        auto const which = text_in(request, "id");
        if (!request.contains("here") || !request["here"].is_boolean())
            return failed_result(json::object(),
                                 {Kind::precondition, "whose is the guest, this host's or the other's?", ""});
        if (auto const begun = supervisor.resolve(which, request["here"].get<bool>()); !begun)
            return failed_result(json::object(), begun.error());
        return {{"schema", kSchema}, {"id", which}, {"outcome", "resolving"}};
    }
    return failed_result(json::object(),
                         {Kind::precondition, "the daemon knows no request " + what, "is migrate newer than it?"});
}

json Daemon::Impl::status() const {
    auto cut_off = json::array();
    for (auto const& one : read_journals(settings.journals).journals)
        if (!one.finished() && !one.in_use)
            cut_off.push_back({{"id", text_of(one.head.id)},
                               {"vm", one.head.vm},
                               {"peer", one.head.peer},
                               {"role", name_of(one.head.role)},
                               {"state", one.entries.empty() ? "begun" : one.entries.back().state},
                               {"holder", name_of(one.holder())}});
    return {{"schema", kSchema}, {"host", host}, {"migrations", supervisor.status()}, {"cut_off", cut_off}};
}

json Daemon::Impl::report(std::string const& which) const {
    auto found = History{settings.history}.find(which);
    if (found.is_null())
        return failed_result(json::object(),
                             {Kind::precondition, "no migration " + which + " has ended here", "migrate --history"});
    std::ifstream file{settings.reports / (text_in(found, "id") + ".json"), std::ios::binary};
    auto details = json_text::parse(std::string{std::istreambuf_iterator<char>{file}, {}});
    return {{"schema", kSchema},
            {"migration", std::move(found)},
            {"report", details.is_discarded() ? json{} : std::move(details)}};
}

Daemon::Daemon(asio::io_context& context, Settings settings, std::string worker)
    : impl_{std::make_unique<Impl>(context, std::move(settings), std::move(worker))} {}
Daemon::~Daemon() = default;

Result<void> Daemon::open() {
    auto& impl = *impl_;
    auto const& settings = impl.settings;
    for (auto const& folder : {settings.journals, settings.reports, settings.history.parent_path()}) {
        std::error_code error;
        std::filesystem::create_directories(folder, error);
        if (error)
            return fail(Kind::precondition, folder.string() + " cannot be made: " + error.message());
    }
    TRY(impl.listen_at_socket());
    impl.door = TRY(net::Door::open(impl.context, settings.listen, settings.port, impl));
    if (!settings.metrics_listen.empty())
        impl.metrics_door = TRY(MetricsDoor::open(impl.context, settings.metrics_listen, settings.metrics_port,
                                                  [&impl] { return impl.metrics.text(); }));
    if (settings.insecure)
        impl.log.warn("INSECURE: migrations without TLS are taken from anybody who can reach this host");
    if (auto const own = net::own_certificate(settings.keys); !own)
        impl.log.warn(sentence(own.error()));
    else if (net::is_laboratory(own.value()))
        impl.log.warn("INSECURE: this host has the laboratory's key, which everybody knows");
    impl.log.info("listening at " + settings.listen + ", port " + std::to_string(impl.door->port()));
    impl.look_at_journals();
    return {};
}

void Daemon::stop(std::function<void()> then) {
    asio::error_code ignored;
    impl_->door.reset();
    impl_->supervisor.stop(std::move(then));
}

std::uint16_t Daemon::port() const { return impl_->door ? impl_->door->port() : 0; }
std::uint16_t Daemon::metrics_port() const { return impl_->metrics_door ? impl_->metrics_door->port() : 0; }

} // namespace service
