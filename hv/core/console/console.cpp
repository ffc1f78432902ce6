#include "console/console.hpp"

namespace console {

/// The lock, unless a panic has broken it.
class [[nodiscard]] Console::Locked {
  public:
    explicit Locked(Console& console)
        : lock_{console.broken_.load(std::memory_order_relaxed) ? nullptr : &console.lock_} {
        if (lock_ != nullptr)
            lock_->lock();
    }
    Locked(Locked const&) = delete;
    Locked& operator=(Locked const&) = delete;
    ~Locked() {
        if (lock_ != nullptr)
            lock_->unlock();
    }

  private:
    Lock* lock_;
};

void Console::set_thresholds(Thresholds host, Thresholds guest) {
    Locked const locked{*this};
    host_ = host;
    guest_ = guest;
}

// --- lines -----------------------------------------------------------------------------------------------------------

void Console::write_line(Level level, Thresholds const& thresholds, RateLimit& limit, std::string_view speaker,
                         std::string_view line, bool cut) {
    Locked const locked{*this};
    if (within(level, thresholds.always)) {
        put_line(speaker, line, cut);
        return;
    }
    auto const verdict = limit.ask(clock_ != nullptr ? clock_() : 0);
    if (!verdict.admitted)
        return;
    if (verdict.dropped != 0) {
        Text<64> note;
        format(note, "({} messages were dropped before the next)", verdict.dropped);
        put_line("TERN", note.view(), false);
    }
    put_line(speaker, line, cut);
}

void Console::write_line(std::string_view speaker, std::string_view line, bool cut) {
    Locked const locked{*this};
    put_line(speaker, line, cut);
}

void Console::put_line(std::string_view speaker, std::string_view line, bool cut) {
    if (last_ != '\n')
        put("\n"); // dom0 is in the middle of a line
    Text<32> prefix;
    format(prefix, "({}) ", speaker);
    if (clock_ != nullptr) {
        auto const microseconds = clock_() / 1000;
        format(prefix, "[{:5}.{:06}] ", microseconds / 1'000'000, microseconds % 1'000'000);
    }
    put(prefix.view());
    put(line);
    if (cut)
        put("...");
    put("\n");
}

/// To the serial line, where a new line begins at the left margin only after a CR, and into the history.
void Console::put(std::string_view text) {
    history_.append(text);
    while (!text.empty()) {
        auto const end = find(text, '\n');
        if (end != 0) {
            write_({text.data(), end});
            last_ = text[end - 1];
        }
        if (end == text.size())
            return;
        write_(last_ == '\r' ? std::span<char const>{"\n", 1} : std::span<char const>{"\r\n", 2});
        last_ = '\n';
        text.remove_prefix(end + 1);
    }
}

// --- guests ----------------------------------------------------------------------------------------------------------

void Console::write_dom0(std::span<char const> bytes) {
    Locked const locked{*this};
    put({bytes.data(), bytes.size()});
}

void Console::write_guest(base::DomId domain, GuestLine& line, std::span<char const> bytes) {
    Text<8> speaker;
    format(speaker, "{}", domain);
    for (char const c : bytes) {
        // Escapes and their like could rewrite what others have said.
        if ((c >= ' ' && c <= '~') || c == '\t')
            line.push_back(c);
        if (c != '\n' && !line.full())
            continue;
        if (within(Level::warning, shown(guest_)))
            write_line(Level::warning, guest_, guest_limit_, speaker.view(), line.view(), false);
        line.clear();
    }
}

// --- history ---------------------------------------------------------------------------------------------------------

History::Read Console::read_history(std::optional<std::uint64_t> from, std::span<char> to) {
    Locked const locked{*this};
    return history_.read(from, to);
}

void Console::clear_history_to(std::uint64_t position) {
    Locked const locked{*this};
    history_.clear_to(position);
}

} // namespace console
