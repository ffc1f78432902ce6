#include "channel.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "json/text.hpp"

namespace service {

using nlohmann::json;

bool make_channel(int (&ends)[2]) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    int const room = 4 * static_cast<int>(kMostPacket);
    for (int const end : ends)
        setsockopt(end, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return true;
}

bool send_packet(int channel, json const& content, int descriptor) {
    auto text = json_text::line(content);
    if (text.size() > kMostPacket)
        return false;
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        auto* const head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    }
    for (;;) {
        if (sendmsg(channel, &message, MSG_NOSIGNAL) >= 0)
            return true;
        if (errno != EINTR)
            return false;
    }
}

Received receive_packet(int channel, Packet& packet) {
    std::string text(kMostPacket, '\0');
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof packet.descriptor)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = -1;
    do
        size = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return Received::nothing;
    if (size <= 0)
        return Received::end;
    packet.descriptor = -1;
    auto const* const head = CMSG_FIRSTHDR(&message);
    if (head != nullptr && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof packet.descriptor))
        std::memcpy(&packet.descriptor, CMSG_DATA(head), sizeof packet.descriptor);
    text.resize(static_cast<std::size_t>(size));
    packet.content = json_text::parse(text);
    if (packet.content.is_object())
        return Received::packet;
    if (packet.descriptor >= 0)
        close(packet.descriptor);
    return Received::nothing;
}

} // namespace service
