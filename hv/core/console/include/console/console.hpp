/// The console: one stream of lines out of many mouths, to the serial line and into the history.
///
///     (TERN) [    1.204117] cpu c1: online          the hypervisor
///     (d1) [    2.560031] Linux version 6.1.0         an unprivileged domain: its lines, printable characters only
///     anything at all                               dom0: its bytes as they come, since a terminal is behind them
///
/// A line is written under one lock, in one piece: lines of several CPUs never mix, and the hypervisor's begin at the
/// left margin even if dom0 is in the middle of one.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/lock.hpp"
#include "base/number.hpp"
#include "console/format.hpp"
#include "console/guest_line.hpp"
#include "console/history.hpp"
#include "console/level.hpp"
#include "console/rate_limit.hpp"

namespace console {

class Console {
  public:
    using Write = void (*)(std::span<char const> text); ///< to the serial line
    using Clock = std::uint64_t (*)();                  ///< system time, in ns

    static constexpr std::size_t kLongestLine = 256; ///< longer ones are cut, and end in "..."

    /// @p history must outlive the console.
    constexpr Console(Write write, History& history) : write_{write}, history_{history} {}

    // Both before the other CPUs start.
    void set_clock(Clock clock) { clock_ = clock; } ///< from now on lines carry the time
    void set_thresholds(Thresholds host, Thresholds guest);

    /// What the hypervisor has to say.
    template <typename... Args> void print(Level level, Format<Args...> form, Args const&... args) {
        if (!within(level, shown(host_)))
            return;
        Text<kLongestLine> line;
        format(line, form, args...);
        write_line(level, host_, host_limit_, "TERN", line.view(), line.cut());
    }
    /// The same about something that a guest did, and could do again and again.
    template <typename... Args> void print_guest(Level level, Format<Args...> form, Args const&... args) {
        if (!within(level, shown(guest_)))
            return;
        Text<kLongestLine> line;
        format(line, form, args...);
        write_line(level, guest_, guest_limit_, "TERN", line.view(), line.cut());
    }
    /// Whatever the thresholds: answers to the operator (dumps), and panics.
    template <typename... Args> void always(Format<Args...> form, Args const&... args) {
        Text<kLongestLine> line;
        format(line, form, args...);
        write_line("TERN", line.view(), line.cut());
    }

    /// CONSOLEIO_write of dom0.
    void write_dom0(std::span<char const> bytes);
    /// CONSOLEIO_write of another domain: line by line, at the level of a guest's warnings: at a limited rate unless
    /// guest_loglvl= says otherwise. @p line is the domain's own, and the caller's to guard.
    void write_guest(base::DomId domain, GuestLine& line, std::span<char const> bytes);

    [[nodiscard]] History::Read read_history(std::optional<std::uint64_t> from, std::span<char> to);
    void clear_history_to(std::uint64_t position);

    /// A panic: the lock may be held by a CPU that is stopped for good. From now on nobody takes it.
    void break_lock() { broken_.store(true, std::memory_order_relaxed); }

  private:
    using Lock = base::SpinLock<base::LockRank::console>;
    class Locked;

    static constexpr UpTo shown(Thresholds const& thresholds) {
        return thresholds.always < thresholds.limited ? thresholds.limited : thresholds.always;
    }
    void write_line(Level level, Thresholds const& thresholds, RateLimit& limit, std::string_view speaker,
                    std::string_view line, bool cut);
    void write_line(std::string_view speaker, std::string_view line, bool cut);
    // With the lock held:
    void put_line(std::string_view speaker, std::string_view line, bool cut);
    void put(std::string_view text);

    Write write_;
    History& history_;
    Clock clock_ = nullptr;
    Thresholds host_ = kHostThresholds;
    Thresholds guest_ = kGuestThresholds;
    RateLimit host_limit_{};
    RateLimit guest_limit_{};
    Lock lock_{};
    std::atomic<bool> broken_{false};
    char last_ = '\n'; ///< the last byte written
};

} // namespace console
