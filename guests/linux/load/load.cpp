/// tern-load: what a guest does while it is watched or measured. It beats to somebody outside, ticks and notes the longest it was
/// kept waiting, dirties memory at a chosen rate, and measures its network, its disk and its clock.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstddef>
#include <ctime>
#include <string_view>
#include <vector>

#include "load.hpp"

namespace load {

namespace {

constexpr char const* kUsage = R"(usage: tern-load COMMAND ...

  clock SECONDS                    calls of clock_gettime() a second
  now                              the time of day, in nanoseconds
  step NANOSECONDS                 changes the time of day by so much
  vdso                             whether clock_gettime() needs the kernel
  tick PERIOD FILE                 each PERIOD microseconds; FILE has the ticks, and the longest time between two, in nanoseconds
  check MIB SECONDS                writes to pages of MIB MiB here and there, and sees whether each is as it was left; ends before its
                                   time if there is a file /tmp/enough
  dirty MIB RATE                   writes to each page of MIB MiB in turn, RATE MiB a second; 0: as fast as it can
  touch MIB SECONDS                writes to each page of MIB MiB in turn, as fast as it can: MiB a second
  beat ADDRESS PORT PERIOD         sends a datagram each PERIOD microseconds, before all others' work
  relay FOLDER NAME ADDRESS PORT   sends such a datagram for each line "beat NUMBER NANOSECONDS" that is written to one of FOLDER's files whose
                                   names begin with NAME: so does who is heard by his console's log
  spoil PORT ADDRESS PORT OCTET    passes on what comes at 127.0.0.1's port, and back; of each connection that gets so far, that octet is altered
  sink PORT                        serves `send`
  echo PORT                        serves `ask`
  send ADDRESS PORT MIB            MiB a second to a sink
  ask ADDRESS PORT COUNT           round trips a second with an echo
  disk PATH read|write random|sequential BLOCK MILLISECONDS
                                   blocks of BLOCK octets a second, one at a time; what is written is what was there
)";

[[noreturn]] void misuse() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

std::uint64_t number(char const* text) {
    char* end = nullptr;
    std::uint64_t const value = std::strtoull(text, &end, 10);
    if (end == text || *end != 0)
        misuse();
    return value;
}

std::uint16_t port(char const* text) { return static_cast<std::uint16_t>(number(text)); }

/// Which of two words it is.
bool second(std::string_view word, std::string_view one, std::string_view other) {
    if (word != one && word != other)
        misuse();
    return word == other;
}

void clock_rate(std::uint64_t seconds) {
    constexpr unsigned kBatch = 1000;
    double calls = 0;
    auto const begin = Clock::now();
    for (auto now = begin; now - begin < std::chrono::seconds{seconds}; calls += kBatch) {
        for (unsigned i = 0; i < kBatch; ++i)
            now = Clock::now();
    }
    print_rate(calls, Clock::now() - begin);
}

/// Asks for the time where the system call for it kills.
void vdso() {
    std::array program{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                       sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
                       sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                       sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    sock_fprog const filter{.len = program.size(), .filter = program.data()};
    pid_t const child = fork();
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
            _exit(2);
        _exit(Clock::now() == Clock::time_point{});
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
        fail("seccomp");
    std::puts(WIFEXITED(status) ? "clock_gettime stays in user space" : "clock_gettime calls the kernel");
}

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t time_of_day() {
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    return std::int64_t{time.tv_sec} * kSecond + time.tv_nsec;
}

void now() { std::printf("%" PRId64 "\n", time_of_day()); }

void step(char const* nanoseconds) {
    auto const then = time_of_day() + std::strtoll(nanoseconds, nullptr, 10);
    timespec const time{.tv_sec = then / kSecond, .tv_nsec = then % kSecond};
    if (clock_settime(CLOCK_REALTIME, &time) != 0)
        fail("clock_settime");
}

[[noreturn]] void tick(std::uint64_t period, char const* path) {
    std::FILE* const file = std::fopen(path, "w");
    if (file == nullptr)
        fail(path);
    std::uint64_t ticks = 0;
    std::chrono::nanoseconds longest{};
    Pace pace{std::chrono::microseconds{period}};
    for (auto last = Clock::now(), said = last;;) {
        pace.wait();
        auto const now = Clock::now();
        ++ticks;
        bool const longer = now - last > longest;
        longest = std::max(longest, now - last);
        last = now;
        if (!longer && now - said < std::chrono::milliseconds{100})
            continue;
        said = now;
        // The line never gets shorter, so one write replaces the whole of the old one.
        std::rewind(file);
        std::fprintf(file, "%" PRIu64 " %" PRId64 "\n", ticks, std::int64_t{longest.count()});
        std::fflush(file);
    }
}

/// Memory that is there.
std::uint64_t volatile* pages_of(std::uint64_t mib) {
    void* const memory =
        mmap(nullptr, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mib == 0 || memory == MAP_FAILED)
        fail("memory");
    return static_cast<std::uint64_t volatile*>(memory);
}

void touch(std::uint64_t mib, std::uint64_t seconds) {
    constexpr std::size_t kPage = 4096, kPagesPerMib = 256;
    auto* const words = pages_of(mib);
    double rounds = 0;
    auto const begin = Clock::now();
    for (auto const end = begin + std::chrono::seconds{seconds}; Clock::now() < end; ++rounds)
        for (std::size_t page = 0; page < mib * kPagesPerMib; ++page)
            words[page * (kPage / sizeof *words)] = page;
    print_rate(rounds * static_cast<double>(mib), Clock::now() - begin);
}

[[noreturn]] void dirty(std::uint64_t mib, std::uint64_t rate) {
    constexpr std::size_t kPage = 4096, kPagesPerMib = 256;
    std::size_t const pages = mib * kPagesPerMib;
    auto* const words = pages_of(mib);
    constexpr unsigned kTurnsPerSecond = 100;
    std::size_t const a_turn = std::max<std::size_t>(1, rate * kPagesPerMib / kTurnsPerSecond);
    Pace pace{std::chrono::microseconds{1'000'000 / kTurnsPerSecond}};
    for (std::size_t page = 0, done = 1;; page = (page + 1) % pages, ++done) {
        words[page * (kPage / sizeof *words)] = done;
        if (rate != 0 && done % a_turn == 0)
            pace.wait();
    }
}

/// Pages that are filled anew again and again, and what each must hold: none is ever as it was before its last filling.
class Pattern {
  public:
    explicit Pattern(std::uint64_t mib) : fillings_(mib * kPagesPerMib), words_(fillings_.size() * kWords) {
        for (std::size_t page = 0; page < pages(); ++page)
            fill(page);
    }
    [[nodiscard]] std::size_t pages() const { return fillings_.size(); }
    void fill(std::size_t page) {
        ++fillings_[page];
        for (std::size_t word = 0; word < kWords; ++word)
            words_[page * kWords + word] = content(page, word);
    }
    [[nodiscard]] bool right(std::size_t page) const {
        for (std::size_t word = 0; word < kWords; ++word)
            if (words_[page * kWords + word] != content(page, word))
                return false;
        return true;
    }

  private:
    static constexpr std::size_t kPagesPerMib = 256, kWords = 512;
    [[nodiscard]] std::uint64_t content(std::size_t page, std::size_t word) const {
        return (fillings_[page] << 32 ^ page << 12 ^ word) * 0x9e37'79b9'7f4a'7c15;
    }

    std::vector<std::uint64_t> fillings_, words_;
};

void check(std::uint64_t mib, std::uint64_t seconds) {
    Pattern pattern{mib};
    std::uint64_t checked = 0, chance = 1;
    auto const see = [&](std::size_t page) {
        if (!pattern.right(page)) {
            std::printf("page %zu is not as it was left, after %" PRIu64 " that were\n", page, checked);
            std::exit(1);
        }
        ++checked;
    };
    constexpr std::uint64_t kBetweenLooks = 4096;
    auto const enough = [&] { return checked % kBetweenLooks == 0 && access("/tmp/enough", F_OK) == 0; };
    for (auto const end = Clock::now() + std::chrono::seconds{seconds}; Clock::now() < end && !enough();) {
        chance = chance * 6364136223846793005 + 1442695040888963407;
        auto const page = static_cast<std::size_t>(chance >> 33) % pattern.pages();
        see(page);
        pattern.fill(page);
    }
    for (std::size_t page = 0; page < pattern.pages(); ++page)
        see(page);
    std::printf("%" PRIu64 " pages, each as it was left\n", checked);
}

struct Command {
    std::string_view name;
    int words; ///< after the name
    void (*run)(char** words);
};

constexpr Command kCommands[] = {
    {"clock", 1, [](char** w) { clock_rate(number(w[0])); }},
    {"now", 0, [](char**) { now(); }},
    {"step", 1, [](char** w) { step(w[0]); }},
    {"vdso", 0, [](char**) { vdso(); }},
    {"tick", 2, [](char** w) { tick(number(w[0]), w[1]); }},
    {"check", 2, [](char** w) { check(number(w[0]), number(w[1])); }},
    {"dirty", 2, [](char** w) { dirty(number(w[0]), number(w[1])); }},
    {"touch", 2, [](char** w) { touch(number(w[0]), number(w[1])); }},
    {"beat", 3, [](char** w) { beat(w[0], port(w[1]), std::chrono::microseconds{number(w[2])}); }},
    {"relay", 4, [](char** w) { relay(w[0], w[1], w[2], port(w[3])); }},
    {"spoil", 4, [](char** w) { spoil(port(w[0]), w[1], port(w[2]), number(w[3])); }},
    {"sink", 1, [](char** w) { sink(port(w[0])); }},
    {"echo", 1, [](char** w) { echo(port(w[0])); }},
    {"send", 3, [](char** w) { send(w[0], port(w[1]), number(w[2])); }},
    {"ask", 3, [](char** w) { ask(w[0], port(w[1]), number(w[2])); }},
    {"disk", 5,
     [](char** w) {
         disk(w[0], second(w[1], "read", "write"), second(w[2], "sequential", "random"), number(w[3]), number(w[4]));
     }},
};

} // namespace

} // namespace load

int main(int count, char** words) {
    for (auto const& command : load::kCommands) {
        if (count == command.words + 2 && command.name == words[1]) {
            command.run(words + 2);
            return 0;
        }
    }
    load::misuse();
}
