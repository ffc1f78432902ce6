#include "hypervisor/first_packet.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string>

#include "hypervisor/domains.hpp"

namespace hypervisor {
namespace {

std::uint64_t nanoseconds(timespec const& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return nanoseconds(time);
}

/// -1: it cannot be listened to. (packet(7); of what goes the other way nothing is wanted.)
int listen_to(std::string const& card) {
    auto const index = if_nametoindex(card.c_str());
    int const socket = index == 0 ? -1 : ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0)
        return -1;
    sockaddr_ll place{};
    place.sll_family = AF_PACKET;
    place.sll_protocol = htons(ETH_P_ALL);
    place.sll_ifindex = static_cast<int>(index);
    int const yes = 1;
    if (setsockopt(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) == 0 &&
        setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) == 0 &&
        bind(socket, reinterpret_cast<sockaddr const*>(&place), sizeof place) == 0)
        return socket;
    ::close(socket);
    return -1;
}

/// By CLOCK_REALTIME; 0: there is none.
std::uint64_t came_at(int socket) {
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(timespec))];
    msghdr packet{};
    packet.msg_control = room;
    packet.msg_controllen = sizeof room;
    if (recvmsg(socket, &packet, MSG_DONTWAIT | MSG_TRUNC) < 0)
        return 0;
    auto const* const told = CMSG_FIRSTHDR(&packet);
    if (told == nullptr || told->cmsg_level != SOL_SOCKET || told->cmsg_type != SCM_TIMESTAMPNS)
        return 0;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(told), sizeof time);
    return nanoseconds(time);
}

} // namespace

std::optional<FirstPacket> FirstPacket::of(Toolstack const& tools, std::uint32_t domain) {
    FirstPacket all;
    for (auto const& number : child_nodes(tools, domain, "device/vif"))
        if (int const socket = listen_to("vif" + std::to_string(domain) + "." + number); socket >= 0)
            all.sockets_.push_back(socket);
    if (all.sockets_.empty())
        return std::nullopt;
    return all;
}

FirstPacket::~FirstPacket() {
    for (int const socket : sockets_)
        ::close(socket);
}

std::optional<std::uint64_t> FirstPacket::await(std::chrono::milliseconds patience) {
    std::vector<pollfd> all;
    for (int const socket : sockets_)
        all.push_back({.fd = socket, .events = POLLIN, .revents = 0});
    if (poll(all.data(), all.size(), static_cast<int>(patience.count())) <= 0)
        return std::nullopt;
    std::uint64_t first = 0;
    for (int const socket : sockets_)
        if (auto const at = came_at(socket); at != 0)
            first = first == 0 ? at : std::min(first, at);
    if (first == 0)
        return std::nullopt;
    return now(CLOCK_MONOTONIC) - (now(CLOCK_REALTIME) - first);
}

} // namespace hypervisor
