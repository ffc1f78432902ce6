// Round trips to devices: the shared disk, and whoever sends back what comes to him on the wire.
#include <arpa/inet.h>
#include <array>
#include <fcntl.h>
#include <memory>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "row.hpp"

namespace {

using namespace bench;

constexpr std::size_t kBlock = 4096;
constexpr auto kDisk = "/dev/vm/vm";
constexpr auto kReflector = "10.0.0.254"; ///< tools/house/host/reflector.py
constexpr std::uint16_t kDiscard = 9;

struct alignas(kBlock) Block {
    std::array<char, kBlock> bytes;
};

Batch read_disk() {
    auto const disk = open(kDisk, O_RDONLY | O_DIRECT);
    require(disk >= 0, kDisk);
    auto const blocks = static_cast<std::uint64_t>(lseek(disk, 0, SEEK_END)) / kBlock;
    require(blocks > 1, "the disk's size");
    auto const block = std::make_shared<Block>();
    auto const seed = std::make_shared<std::uint64_t>(1);
    return [=] {
        return timed(10, [&] {
            *seed = *seed * 6364136223846793005U + 1442695040888963407U;
            auto const place = static_cast<off_t>((*seed >> 33U) % blocks * kBlock);
            require(pread(disk, block->bytes.data(), kBlock, place) == kBlock, "pread");
        });
    };
}

/// A lost datagram is sent again; its operation then took that much longer.
Batch reach_network() {
    auto const end = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(kDiscard);
    require(inet_pton(AF_INET, kReflector, &peer.sin_addr) == 1, kReflector);
    timeval const patience{.tv_sec = 1, .tv_usec = 0};
    require(setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "setsockopt");
    require(connect(end, reinterpret_cast<sockaddr const*>(&peer), sizeof peer) == 0, "connect");
    return [end] {
        return timed(5, [&] {
            std::array<char, 64> message{};
            auto tries = 10;
            do {
                require(tries-- > 0, "no answer from the network");
                require(send(end, message.data(), message.size(), 0) > 0, "send");
            } while (recv(end, message.data(), message.size(), 0) < 0);
        });
    };
}

constexpr Row kRows[] = {
    {.name = "disk-read", .operation = "a read of 4 KiB at a random place, past the cache", .prepare = read_disk},
    {.name = "network", .operation = "a datagram of 64 bytes, sent back", .prepare = reach_network},
};

} // namespace

std::span<Row const> bench::device_rows() { return kRows; }
