// A worker whose engine moves nothing, and does all that a worker can: what `options.act` of the request says.

#include <csignal>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "service/worker.hpp"

namespace {

using nlohmann::json;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
using service::Holder;
using service::Summary;
using service::Workbench;

net::Octets octets(std::string_view text) {
    auto const bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}
std::string text_of(net::Octets const& octets) { return {reinterpret_cast<char const*>(octets.data()), octets.size()}; }

class EngineForTests : public service::Engine {
  public:
    Result<Summary> run_outgoing(service::MoveRequest const& request, Workbench& bench) override {
        auto const act = request.options.value("act", "");
        if (act == "refuse")
            return fail(Kind::precondition, "there is no domain '" + request.vm + "'", "xl list");
        if (act == "crash") {
            auto* const journal = TRY(bench.journal(request.vm, request.host));
            auto const holder = request.options.value("holder", "") == "unknown" ? Holder::unknown : Holder::here;
            TRY(journal->append({.state = "commit", .holder = holder, .detail = {}}));
            std::raise(SIGKILL);
        }
        auto* const link = TRY(bench.link(3));
        auto* const journal = TRY(bench.journal(request.vm, request.host));
        bench.progress({{"state", "precopy"}, {"round", 0}});
        TRY(link->send(octets(act)));
        if (act == "wait")
            TRY(link->receive());
        for (std::size_t i = 0; i < link->streams(); ++i) {
            auto data = octets(std::string(100'000, static_cast<char>('a' + i)));
            TRY(link->stream(i).write(data));
            link->stream(i).finish();
        }
        auto const answer = text_of(TRY(link->receive()));
        TRY(journal->append({.state = "moved", .holder = Holder::there, .final = true, .detail = {}}));
        bench.keep_report({{"rounds", {{{"pages", 7}}}}});
        return Summary{{"bytes", 300'000},
                       {"rounds", 1},
                       {"blackout_ms", 12.5},
                       {"answer", answer},
                       {"last", bench.last_moves(link->peer().name)}};
    }
    Result<Summary> run_incoming(Workbench& bench) override {
        auto* const link = TRY(bench.link(0));
        auto const act = text_of(TRY(link->receive()));
        bench.progress({{"vm", "web"}, {"state", "precopy"}});
        if (act == "wait")
            TRY(link->receive());
        if (act == "other side crashes")
            std::raise(SIGKILL);
        std::string all;
        for (std::size_t i = 0; i < link->streams(); ++i)
            for (net::Octets room(4'096);;) {
                auto const got = TRY(link->stream(i).read(room));
                if (got == 0)
                    break;
                all += text_of({room.begin(), room.begin() + 1});
            }
        TRY(link->send(octets(std::to_string(all.find('c') != std::string::npos))));
        return Summary{{"vm", "web"}};
    }
    Result<Summary> recover(service::JournalHead const& head, std::vector<service::JournalEntry> const& entries,
                            Workbench& bench) override {
        auto* const journal = TRY(bench.journal(head.vm, head.peer));
        if (head.peer == "nobody") {
            TRY(journal->append({.state = "recovered", .holder = Holder::here, .final = true, .detail = {}}));
            return Summary{{"vm", head.vm}, {"entries", entries.size()}};
        }
        if (head.role == service::Role::destination)
            return be_asked(*journal, bench);
        auto const link = TRY(bench.call_again("127.0.0.1"));
        TRY(link->send(octets("who has it?")));
        auto const answer = text_of(TRY(link->receive()));
        TRY(journal->append({.state = "recovered", .holder = Holder::here, .final = true, .detail = {}}));
        return Summary{{"vm", head.vm}, {"answer", answer}};
    }

  private:
    struct Waiting : service::Callee {
        void called(std::unique_ptr<net::Link> link) override { calls.set_value(std::move(link)); }
        void told_to_stop() override { calls.set_value(nullptr); }
        void left_alone() override { calls.set_value(nullptr); }
        void resolved(bool here) override {
            word = here;
            calls.set_value(nullptr);
        }
        std::optional<bool> word;
        std::promise<std::unique_ptr<net::Link>> calls;
    };
    static Result<Summary> be_asked(service::Journal& journal, Workbench& bench) {
        Waiting waiting;
        bench.tell(&waiting);
        bench.progress({{"state", "waits"}});
        auto const link = waiting.calls.get_future().get();
        bench.tell(nullptr);
        if (waiting.word) {
            TRY(journal.append({.state = "recovered", .holder = Holder::here, .final = true, .detail = {}}));
            return Summary{{"word", *waiting.word ? "here" : "there"}};
        }
        if (!link)
            return fail(Kind::attention, "it was left");
        auto const asked = text_of(TRY(link->receive()));
        TRY(link->send(octets(asked + " you")));
        TRY(journal.append({.state = "recovered", .holder = Holder::there, .final = true, .detail = {}}));
        static_cast<void>(link->close({}));
        return Summary{};
    }
};

} // namespace

int main() {
    return service::run_worker([] { return std::make_unique<EngineForTests>(); });
}
