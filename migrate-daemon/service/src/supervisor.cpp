#include "supervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.hpp"
#include "service/journal.hpp"
#include "service/results.hpp"
#include "service/worker.hpp"

extern char** environ;

namespace service {

using nlohmann::json;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

struct Supervisor::Worker {
    Worker(asio::io_context& context, Task its, int end) : task{std::move(its)}, channel{context, end} {}

    Task task;
    asio::posix::stream_descriptor channel;
    pid_t process = 0;
    std::shared_ptr<Watcher> watcher;
    json progress = json::object();
    json result;
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();

    [[nodiscard]] bool outgoing() const { return task.kind == TaskKind::outgoing; }
    [[nodiscard]] Role role() const { return role_of(task); }
    [[nodiscard]] std::string vm() const {
        auto const asked = text_in(task.request, "vm");
        return asked.empty() ? text_in(progress, "vm") : asked;
    }
    void tell(json const& content, int descriptor = -1) {
        if (!send_packet(channel.native_handle(), content, descriptor))
            Log{task.id, task.insecure}.warn("its process does not listen any more");
    }
};

namespace {

std::string_view name_of(TaskKind kind) {
    switch (kind) {
    case TaskKind::outgoing: return "outgoing";
    case TaskKind::incoming: return "incoming";
    case TaskKind::recover: return "recovering";
    }
    return "";
}

json as_numbers(net::Hello const& hello) {
    auto const octets = net::octets_of(hello);
    auto numbers = json::array();
    for (auto const octet : octets)
        numbers.push_back(std::to_integer<int>(octet));
    return numbers;
}

/// @p program worker, with @p channel as its descriptor 3, and no other of ours but standard output and error.
Result<pid_t> spawn(std::string const& program, int channel) {
    std::string name = "migrated", word = "worker";
    char* const words[] = {name.data(), word.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, channel, kChannel);
    posix_spawn_file_actions_addclosefrom_np(&actions, kChannel + 1);
    // A group of its own: an operator's ^C reaches the daemon, which knows what to do.
    posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    pid_t process = 0;
    errno = posix_spawn(&process, program.c_str(), &actions, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (errno != 0)
        return outcome::fail_errno("no process can be started for the migration", Kind::precondition);
    return process;
}

} // namespace

Supervisor::Supervisor(asio::io_context& context, Settings const& settings, std::string program, Metrics& metrics)
    : context_{context},
      settings_{settings},
      program_{std::move(program)},
      metrics_{metrics},
      history_{settings.history},
      children_{context, SIGCHLD} {
    wait_for_children();
}

Supervisor::~Supervisor() = default;

Task Supervisor::task_for(TaskKind kind, std::string id) const {
    return {.kind = kind,
            .id = std::move(id),
            .insecure = false,
            .streams = settings_.streams,
            .port = net::kDefaultPort,
            .bandwidth = settings_.bandwidth,
            .request = json::object(),
            .keys = settings_.keys,
            .journals = settings_.journals,
            .reports = settings_.reports,
            .history = settings_.history};
}

// All hosts that exchange domains have the same one, unless the request says otherwise.
std::uint16_t Supervisor::port_of_others() const { return settings_.port == 0 ? net::kDefaultPort : settings_.port; }

Result<Supervisor::Worker*> Supervisor::start(Task task) {
    int ends[2];
    if (full())
        return fail(Kind::precondition,
                    "there are " + std::to_string(workers_.size()) + " migrations under way already",
                    "most_at_once in the daemon's settings");
    if (!make_channel(ends))
        return outcome::fail_errno("no process can be started for the migration", Kind::precondition);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    auto worker = std::make_unique<Worker>(context_, std::move(task), ends[0]);
    auto const process = spawn(program_, ends[1]);
    close(ends[1]);
    if (!process)
        return base::Err{process.error()};
    worker->process = process.value();
    worker->tell({{"start", worker->task}});
    auto& started = *(workers_[worker->task.id] = std::move(worker));
    metrics_.began();
    listen(started);
    return &started;
}

Result<std::string> Supervisor::move(json const& request, std::shared_ptr<Watcher> watcher) {
    auto task = task_for(TaskKind::outgoing, net::text_of(net::random_id()));
    auto const vm = text_in(request, "vm"), host = text_in(request, "host");
    auto const options = request.contains("options") ? request["options"] : json::object();
    if (vm.empty() || host.empty() || !options.is_object())
        return fail(Kind::precondition, "it takes a domain and a host to move one to the other");
    for (auto const& [id, other] : workers_)
        if (other->outgoing() && other->vm() == vm)
            return fail(Kind::precondition, vm + " is being moved already: " + id, "migrate --status");
    task.insecure = options.contains("insecure") && options["insecure"] == true;
    if (task.insecure && !settings_.insecure)
        return fail(Kind::precondition, "this host does not move domains without TLS",
                    "insecure = true in the daemon's settings allows it");
    auto const streams = number_in(options, "streams").value_or(settings_.streams);
    auto const port = number_in(options, "port").value_or(port_of_others());
    auto const bandwidth = number_in(options, "bandwidth");
    if (streams < 1 || streams > net::kMostStreams)
        return fail(Kind::precondition, "a migration has 1 to " + std::to_string(net::kMostStreams) + " streams");
    if (port < 1 || port > 65'535 || bandwidth.value_or(0) < 0)
        return fail(Kind::precondition, "that is no port, or no bandwidth");
    task.streams = static_cast<std::uint8_t>(streams);
    task.port = static_cast<std::uint16_t>(port);
    if (bandwidth)
        task.bandwidth = static_cast<std::uint64_t>(*bandwidth);
    task.request = {{"vm", vm}, {"host", host}, {"options", options}};
    auto* const worker = TRY(start(std::move(task)));
    worker->watcher = std::move(watcher);
    Log{worker->task.id, worker->task.insecure}.say(
        worker->task.insecure ? Level::warning : Level::info,
        "moving " + vm + " to " + host +
            (worker->task.insecure ? " WITHOUT TLS: anybody on the way can read and change it" : ""));
    return worker->task.id;
}

Result<void> Supervisor::receive(net::Hello const& hello, std::uint16_t version, int socket) {
    auto task = task_for(TaskKind::incoming, net::text_of(hello.id));
    task.insecure = !hello.secure;
    task.streams = hello.streams;
    auto const insecure = task.insecure;
    auto const id = task.id;
    auto const started = start(std::move(task));
    if (!started) {
        close(socket);
        return base::Err{started.error()};
    }
    if (insecure)
        Log{id, true}.warn("a domain comes WITHOUT TLS: anybody on the way can read and change it");
    pass(hello, version, socket);
    return {};
}

void Supervisor::pass(net::Hello const& hello, std::uint16_t version, int socket) {
    if (auto const found = workers_.find(net::text_of(hello.id)); found != workers_.end())
        found->second->tell({{"connection", {{"hello", as_numbers(hello)}, {"version", version}}}}, socket);
    close(socket);
}

Result<void> Supervisor::recover(JournalHead const& head, std::optional<bool> word) {
    auto task = task_for(TaskKind::recover, net::text_of(head.id));
    task.port = port_of_others();
    task.insecure = head.insecure;
    task.request = {{"vm", head.vm}, {"host", head.peer}, {"role", name_of(head.role)}};
    if (word)
        task.request["here"] = *word;
    TRY(start(std::move(task)));
    return {};
}

Result<void> Supervisor::resolve(std::string const& which, bool here) {
    constexpr std::size_t kShortest = 4; // of a number: it is not to be another's by chance
    auto const wanted = [&](std::string const& id) { return which.size() >= kShortest && id.starts_with(which); };
    for (auto const& one : read_journals(settings_.journals).journals) {
        auto const id = net::text_of(one.head.id);
        if (!wanted(id) || one.finished())
            continue;
        if (!has(id))
            return recover(one.head, here);
        workers_.at(id)->tell({{"resolve", here}});
        return {};
    }
    return fail(Kind::precondition, "no migration '" + which + "' waits for a person's word", "migrate --status");
}

bool Supervisor::can_be_called(std::string const& id) const {
    auto const found = workers_.find(id);
    return found != workers_.end() && found->second->role() == Role::destination;
}

bool Supervisor::cancel(std::string const& which) {
    for (auto const& [id, worker] : workers_)
        if (!which.empty() && (id.starts_with(which) || worker->vm() == which)) {
            worker->tell({{"cancel", true}});
            return true;
        }
    return false;
}

json Supervisor::status() const {
    auto all = json::array();
    for (auto const& [id, worker] : workers_) {
        auto one = worker->progress;
        one["id"] = id;
        one["vm"] = worker->vm();
        one["direction"] = name_of(worker->task.kind);
        one["insecure"] = worker->task.insecure;
        if (worker->outgoing())
            one["host"] = text_in(worker->task.request, "host");
        one["elapsed_ms"] =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - worker->began).count();
        all.push_back(std::move(one));
    }
    return all;
}

void Supervisor::stop(std::function<void()> then) {
    if (workers_.empty())
        return then();
    when_idle_ = std::move(then);
    for (auto const& [id, worker] : workers_)
        worker->tell({{"cancel", true}});
}

void Supervisor::listen(Worker& worker) {
    worker.channel.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this, id = worker.task.id](asio::error_code error) {
                                  auto const found = workers_.find(id);
                                  if (error || found == workers_.end())
                                      return;
                                  read_all(*found->second);
                                  // After its result, or its end, only its death is waited for.
                                  if (found->second->result.is_null() && found->second->channel.is_open())
                                      listen(*found->second);
                              });
}

void Supervisor::read_all(Worker& worker) {
    for (Packet packet; worker.channel.is_open();) {
        auto const received = receive_packet(worker.channel.native_handle(), packet);
        if (received == Received::nothing)
            return;
        if (received == Received::end) {
            worker.channel.close();
            return;
        }
        if (packet.descriptor >= 0)
            close(packet.descriptor);
        if (auto const progress = packet.content.find("progress");
            progress != packet.content.end() && progress->is_object()) {
            worker.progress = *progress;
            if (worker.watcher) {
                auto shown = *progress;
                shown["id"] = worker.task.id;
                worker.watcher->on_progress(shown);
            }
        } else if (auto const result = packet.content.find("result");
                   result != packet.content.end() && result->is_object()) {
            worker.result = *result;
        }
    }
}

void Supervisor::wait_for_children() {
    children_.async_wait([this](asio::error_code error, int) {
        if (error)
            return;
        std::vector<std::pair<std::string, int>> dead;
        for (auto const& [id, worker] : workers_)
            if (int status = 0; waitpid(worker->process, &status, WNOHANG) == worker->process)
                dead.emplace_back(id, status);
        for (auto const& [id, status] : dead)
            ended(id, status);
        wait_for_children();
    });
}

void Supervisor::ended(std::string const& id, int status) {
    auto const worker = std::move(workers_.at(id));
    workers_.erase(id);
    read_all(*worker);
    bool const told = !worker->result.is_null();
    if (!told) {
        worker->result = result_of_the_dead(*worker, status);
        Log{id, worker->task.insecure}.error(text_in(worker->result, "message"));
        if (auto const added = history_.add(worker->result); !added)
            log_.error(sentence(added.error()));
    }
    metrics_.ended(worker->result, text_in(worker->result, "role"));
    if (worker->watcher)
        worker->watcher->on_result(worker->result);
    if (when_idle_) {
        if (workers_.empty())
            std::exchange(when_idle_, nullptr)();
        return;
    }
    // Once: if that dies, too, it is for somebody to look at.
    bool const may_recover = worker->task.kind != TaskKind::recover;
    auto const journal = read_journal(settings_.journals / (id + ".journal"));
    if (!told && may_recover && journal && !journal.value().finished())
        if (auto const begun = recover(journal.value().head); !begun)
            log_.error(sentence(begun.error()));
}

json Supervisor::result_of_the_dead(Worker const& worker, int status) const {
    bool const source = worker.role() == Role::source;
    json known{{"id", worker.task.id}, {"vm", worker.vm()}, {"role", name_of(worker.role())}};
    known["total_ms"] =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - worker.began).count();
    auto const how = WIFSIGNALED(status)
                         ? std::string{"was killed by signal "} + std::to_string(WTERMSIG(status))
                         : "ended with status " + std::to_string(WEXITSTATUS(status)) + " and said nothing";
    auto const journal = read_journal(settings_.journals / (worker.task.id + ".journal"));
    auto const holder = journal ? journal.value().holder() : source ? Holder::here : Holder::there;
    auto const vm = worker.vm().empty() ? "the domain" : worker.vm();
    if (holder == Holder::unknown)
        return failed_result(known,
                             {Kind::attention,
                              "the process that moved " + vm + " " + how + "; which host has it is not known yet",
                              "migrate --status, on both hosts"});
    bool const where_it_was = (holder == Holder::here) == source;
    return failed_result(known, {where_it_was ? Kind::failed : Kind::attention,
                                 "the process that moved " + vm + " " + how + "; " +
                                     (holder == Holder::here ? "this host has it" : "the other host has it"),
                                 ""});
}

} // namespace service
