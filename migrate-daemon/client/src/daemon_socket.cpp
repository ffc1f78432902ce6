#include "client/daemon_socket.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "json/text.hpp"

namespace client {

using nlohmann::json;
using outcome::fail;
using outcome::fail_errno;
using outcome::Kind;
using outcome::Result;

namespace {

constexpr int kSchema = 1;
constexpr char kCancel[] = "{\"request\":\"cancel\"}\n";
constexpr std::size_t kLongest = 64U << 20; // a report

} // namespace

Result<DaemonSocket> DaemonSocket::open(std::filesystem::path const& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof name.sun_path)
        return fail(Kind::precondition, path.string() + " is too long a name for a socket");
    std::strcpy(name.sun_path, path.c_str());
    DaemonSocket opened{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (opened.socket_ < 0 || connect(opened.socket_, reinterpret_cast<sockaddr const*>(&name), sizeof name) != 0)
        return fail_errno("this host's migrated cannot be asked at " + path.string(), Kind::connect,
                          errno == EACCES ? "it takes root" : "systemctl start migrated");
    return opened;
}

DaemonSocket::DaemonSocket(DaemonSocket&& other) noexcept
    : socket_{std::exchange(other.socket_, -1)}, received_{std::move(other.received_)} {}

DaemonSocket::~DaemonSocket() {
    if (socket_ >= 0)
        close(socket_);
}

Result<void> DaemonSocket::ask(json request) {
    request["schema"] = kSchema;
    auto const text = json_text::line(request) + '\n';
    if (send(socket_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
        return fail_errno("this host's migrated does not listen any more", Kind::connect);
    return {};
}

void DaemonSocket::cancel() const {
    auto const before = errno;
    static_cast<void>(!send(socket_, kCancel, sizeof kCancel - 1, MSG_NOSIGNAL | MSG_DONTWAIT));
    errno = before;
}

Result<std::string> DaemonSocket::line() {
    for (;;) {
        if (auto const end = received_.find('\n'); end != std::string::npos) {
            auto found = received_.substr(0, end);
            received_.erase(0, end + 1);
            return found;
        }
        char octets[16'384];
        auto const got = recv(socket_, octets, sizeof octets, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || received_.size() > kLongest)
            return fail(Kind::attention, "this host's migrated went away before it had said what came of it",
                        "migrate --status, when it runs again; a migration goes on without it");
        received_.append(octets, static_cast<std::size_t>(got));
    }
}

Result<json> DaemonSocket::result(std::function<void(json const&)> const& on_progress) {
    for (;;) {
        auto const one = json_text::parse(TRY(line()));
        if (!one.is_object())
            return fail(Kind::failed, "this host's migrated says what is no JSON", "is migrate as new as it?");
        if (auto const result = one.find("result"); result != one.end())
            return *result;
        if (auto const progress = one.find("progress"); progress != one.end() && on_progress)
            on_progress(*progress);
    }
}

int status_of(json const& result) {
    auto const code = result.find("code");
    return code != result.end() && code->is_number_integer() ? code->get<int>() : 0;
}

} // namespace client
