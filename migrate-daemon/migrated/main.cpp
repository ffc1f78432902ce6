/// migrated: the daemon, the worker that it starts for each migration ("worker"), and the keys ("keys": as `migrate keys`).
#include <string_view>

#include "client/keys_command.hpp"
#include "mover/engine.hpp"
#include "service/daemon.hpp"
#include "service/worker.hpp"

int main(int count, char** words) {
    std::string_view const verb = count > 1 ? words[1] : "";
    if (verb == "worker")
        return service::run_worker([] { return mover::make_engine(); });
    if (verb == "keys")
        return client::run_keys(count - 1, words + 1);
    return service::run_daemon(count, words);
}
