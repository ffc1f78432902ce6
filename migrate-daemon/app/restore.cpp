#include "restore.hpp"

#include <chrono>

#include "engine/guardian.hpp"
#include "engine/receiver.hpp"
#include "files.hpp"
#include "hypervisor/keeper.hpp"

namespace app {

using outcome::Result;

Result<Restored> restore(Options const& options) {
    auto const begin = std::chrono::steady_clock::now();
    auto file = TRY(OldFile::open(options.file));
    auto guardian = TRY(engine::Guardian::start());
    auto const tools = TRY(hypervisor::Toolstack::open());
    engine::Receiver receiver{tools, options.husk, guardian};
    for (;;) {
        auto const got = TRY(file.read(receiver.room()));
        TRY(receiver.filled(got));
        if (got == 0)
            break;
    }
    TRY(receiver.verify());
    TRY(receiver.adopt());
    if (options.paused) {
        receiver.keep_paused();
    } else {
        receiver.give_credit();
        TRY(receiver.start());
    }
    TRY(receiver.settle());
    auto const& name = receiver.description().name;
    TRY(hypervisor::keep_in_background(receiver.domain(), name.c_str()));
    std::chrono::duration<double, std::milli> const took = std::chrono::steady_clock::now() - begin;
    return Restored{.name = name, .domain = receiver.domain(), .bytes = receiver.octets(), .total_ms = took.count()};
}

} // namespace app
