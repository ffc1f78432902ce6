#include "service/log.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace service {

void Log::say(Level level, std::string_view line) const {
    // With a number in angle brackets systemd knows how bad it is; nobody else wants to see it.
    static bool const kJournal = std::getenv("JOURNAL_STREAM") != nullptr;
    std::string text;
    if (kJournal)
        text = '<' + std::to_string(static_cast<int>(level)) + '>';
    text += "migrated: ";
    if (!id_.empty())
        text += id_ + (insecure_ ? " [insecure]: " : ": ");
    text += line;
    text += '\n';
    // One write: lines of several processes do not mix.
    static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
}

// The protocol is stable and documented for those who implement it themselves; libsystemd would bring six libraries into a small dom0.
void notify(std::string_view state) {
    char const* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path == nullptr || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof name.sun_path)
        return;
    std::strcpy(name.sun_path, path);
    auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    if (path[0] == '@')
        name.sun_path[0] = '\0'; // the abstract ones
    int const socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0)
        return;
    sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr const*>(&name), size);
    close(socket);
}

} // namespace service
