/// tern-carry: the command that `xl migrate -s ''` speaks through, in the place of ssh: its input and output are one connection to another
/// host. In the clear and in one copy, so cheaper than what it stands for. Of what goes there it counts the octets, and the rounds.
///
/// What xl sends holds libxc's stream (Xen's docs/specs/libxc-migration-stream.pandoc): somewhere an image header, which begins with a
/// marker and an identification; a domain header; then records up to one of type END. Those of type PAGE_DATA name the frames that they hold. Within a
/// round frames are sent in the order of their numbers, so one that is no higher than its predecessor begins another round. A round
/// in which nothing was sent is not seen.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

namespace {

using Octets = std::span<unsigned char const>;

constexpr char const* kUsage = R"(usage: tern-carry ADDRESS PORT FILE [RATE]

Joins standard input and output with a connection to ADDRESS (IPv4) and PORT. When both have ended, FILE has in JSON how many octets went
there, and what the stream of `xl migrate` in them says: its rounds, and the frames of each. With RATE no more go there than so many
octets a second.
)";

[[noreturn]] void fail(char const* what) {
    std::fprintf(stderr, "tern-carry: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

/// Follows the stream in pieces of any size.
class Rounds {
  public:
    void feed(Octets piece) {
        while (!piece.empty() && state_ != State::ended)
            piece = piece.subspan(take(piece));
    }
    [[nodiscard]] std::vector<std::uint64_t> const& frames() const { return frames_; }

  private:
    enum class State { searching, headers, record, list_head, list, body, ended };

    static constexpr std::array<unsigned char, 12> kImage{0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                          0xff, 0xff, 'X',  'E',  'N',  'F'};
    static constexpr std::size_t kRestOfHeaders = 24 - kImage.size() + 16, kRecordHead = 8, kListHead = 8;
    static constexpr std::uint32_t kEnd = 0, kPageData = 1;
    static constexpr std::uint64_t kFrame = (std::uint64_t{1} << 52) - 1; // above it is the frame's type

    /// How many octets of @p piece it used.
    std::size_t take(Octets piece) {
        switch (state_) {
        case State::searching: return search(piece);
        case State::headers: return gather(piece, kRestOfHeaders, [this] { state_ = State::record; });
        case State::record: return gather(piece, kRecordHead, [this] { begin_record(); });
        case State::list_head: return gather(piece, kListHead, [this] { begin_list(); });
        case State::list: return gather(piece, list_, [this] { count_frames(); });
        case State::body: {
            std::size_t const used = std::min<std::uint64_t>(piece.size(), left_);
            left_ -= used;
            if (left_ == 0)
                state_ = State::record;
            return used;
        }
        case State::ended: break;
        }
        return piece.size();
    }

    std::size_t search(Octets piece) {
        for (std::size_t at = 0; at < piece.size(); ++at) {
            std::rotate(last_.begin(), last_.begin() + 1, last_.end());
            last_.back() = piece[at];
            if (last_ == kImage) {
                state_ = State::headers;
                return at + 1;
            }
        }
        return piece.size();
    }

    template <typename Then> std::size_t gather(Octets piece, std::size_t wanted, Then const& then) {
        std::size_t const used = std::min(piece.size(), wanted - held_.size());
        held_.insert(held_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(used));
        if (held_.size() == wanted) {
            then();
            held_.clear();
        }
        return used;
    }

    void begin_record() {
        std::uint32_t const type = word<std::uint32_t>(0), length = word<std::uint32_t>(4);
        left_ = (std::uint64_t{length} + 7) / 8 * 8;
        if (type == kEnd) {
            state_ = State::ended;
        } else if (type == kPageData && left_ >= kListHead) {
            state_ = State::list_head;
            left_ -= kListHead;
        } else {
            state_ = after_head();
        }
    }

    void begin_list() {
        std::uint64_t const octets = std::uint64_t{word<std::uint32_t>(0)} * sizeof(std::uint64_t);
        list_ = static_cast<std::size_t>(std::min(octets, left_));
        left_ -= list_;
        state_ = list_ != 0 ? State::list : after_head();
    }

    void count_frames() {
        for (std::size_t at = 0; at + sizeof(std::uint64_t) <= list_; at += sizeof(std::uint64_t))
            count(word<std::uint64_t>(at) & kFrame);
        state_ = after_head();
    }

    [[nodiscard]] State after_head() const { return left_ == 0 ? State::record : State::body; }

    void count(std::uint64_t frame) {
        if (frames_.empty() || frame <= last_frame_)
            frames_.push_back(0);
        ++frames_.back();
        last_frame_ = frame;
    }

    template <typename Word> [[nodiscard]] Word word(std::size_t at) const {
        Word value;
        std::memcpy(&value, held_.data() + at, sizeof value);
        return value;
    }

    State state_ = State::searching;
    std::array<unsigned char, kImage.size()> last_{};
    std::vector<unsigned char> held_;
    std::size_t list_ = 0;
    std::uint64_t left_ = 0, last_frame_ = 0;
    std::vector<std::uint64_t> frames_; ///< of each round
};

int connected(char const* address, char const* port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10)));
    int const end = socket(AF_INET, SOCK_STREAM, 0), at_once = 1;
    errno = EINVAL;
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || end < 0 ||
        connect(end, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0 ||
        setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) != 0)
        fail(address);
    return end;
}

/// What came; nothing at its end.
Octets received(int from, std::span<unsigned char> room) {
    ssize_t const count = read(from, room.data(), room.size());
    if (count < 0)
        fail("read");
    return room.first(static_cast<std::size_t>(count));
}

void pass_on(int to, Octets piece) {
    while (!piece.empty()) {
        ssize_t const count = write(to, piece.data(), piece.size());
        if (count < 0)
            fail("write");
        piece = piece.subspan(static_cast<std::size_t>(count));
    }
}

/// So many octets a second, and no more.
class Limit {
  public:
    /// @p rate 0: as many as will.
    explicit Limit(double rate) : rate_{rate} {}
    /// After so many went: until others may.
    void wait(std::size_t octets) {
        if (rate_ == 0)
            return;
        next_ = std::max(next_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(
                                                    std::chrono::duration<double>(static_cast<double>(octets) / rate_));
        std::this_thread::sleep_until(next_);
    }

  private:
    using Clock = std::chrono::steady_clock;
    double rate_;
    Clock::time_point next_;
};

void say(char const* path, std::uint64_t octets, std::vector<std::uint64_t> const& frames) {
    std::FILE* const file = std::fopen(path, "w");
    if (file == nullptr)
        fail(path);
    std::fprintf(file, R"({"bytes": %)" PRIu64 R"(, "rounds": %zu, "frames": [)", octets, frames.size());
    for (std::size_t round = 0; round < frames.size(); ++round)
        std::fprintf(file, "%s%" PRIu64, round == 0 ? "" : ", ", frames[round]);
    std::fputs("]}\n", file);
    if (std::fclose(file) != 0)
        fail(path);
}

} // namespace

int main(int count, char** words) {
    if (count != 4 && count != 5) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    int const there = connected(words[1], words[2]);
    static std::array<unsigned char, 256 << 10> room;
    std::uint64_t octets = 0;
    Rounds rounds;
    Limit limit{count == 5 ? std::strtod(words[4], nullptr) : 0};
    std::array ends{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{there, POLLIN, 0}};
    auto& [near, far] = ends;
    for (;;) {
        if (poll(ends.data(), ends.size(), -1) < 0)
            fail("poll");
        if (near.revents != 0) {
            Octets const piece = received(STDIN_FILENO, room);
            pass_on(there, piece);
            limit.wait(piece.size());
            octets += piece.size();
            rounds.feed(piece);
            if (piece.empty()) {
                shutdown(there, SHUT_WR);
                near.fd = -1;
            }
        }
        if (far.revents != 0) {
            Octets const piece = received(there, room);
            pass_on(STDOUT_FILENO, piece);
            if (piece.empty())
                break; // it will neither take anything more
        }
    }
    say(words[3], octets, rounds.frames());
}
