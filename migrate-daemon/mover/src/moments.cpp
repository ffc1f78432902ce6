#include "moments.hpp"

#include <cstdlib>
#include <string>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace mover {

void moment(bool source, std::string_view which) {
    char const* const program = std::getenv("TERN_MOMENTS");
    if (program == nullptr || *program == '\0')
        return;
    std::string name{program}, role{source ? "source" : "destination"}, what{which}, process{std::to_string(getpid())};
    char* const words[] = {name.data(), role.data(), what.data(), process.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1); // what it starts outlives us
    pid_t child = 0;
    if (posix_spawn(&child, program, &actions, nullptr, words, environ) == 0)
        waitpid(child, nullptr, 0);
    posix_spawn_file_actions_destroy(&actions);
}

} // namespace mover
