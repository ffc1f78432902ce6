/// Lines on standard error, which systemd takes into its journal: "migrated: 3f2a9c01… [insecure]: round 3: …".
#pragma once

#include <string>
#include <string_view>

namespace service {

enum class Level { error = 3, warning = 4, info = 6 }; // syslog's numbers

class Log {
  public:
    /// Of the daemon as a whole.
    Log() = default;
    /// Of one migration. @p insecure: says so in each line.
    Log(std::string id, bool insecure) : id_{std::move(id)}, insecure_{insecure} {}

    void say(Level level, std::string_view line) const;
    void info(std::string_view line) const { say(Level::info, line); }
    void warn(std::string_view line) const { say(Level::warning, line); }
    void error(std::string_view line) const { say(Level::error, line); }

  private:
    std::string id_;
    bool insecure_ = false;
};

/// Tells the service manager, if there is one (sd_notify(3); $NOTIFY_SOCKET). "READY=1", "STOPPING=1", "STATUS=...".
void notify(std::string_view state);

} // namespace service
