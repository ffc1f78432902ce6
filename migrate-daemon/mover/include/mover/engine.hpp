/// What moves domains in a worker of `migrated`: the session machines of core, made to act on domains, streams and links.
///
/// The main thread asks the session what to do, does it, and tells what became of it; a second one listens to the peer; at a destination a third
/// reads the stream into the new domain. So a round that is going on does not keep the peer's words from being heard.
#pragma once

#include <memory>
#include <string>

#include "service/engine.hpp"

namespace mover {

struct Settings {
    std::string husk = "/usr/lib/tern/guests/husk"; ///< the kernel that does nothing (hypervisor/shell.hpp)
};

std::unique_ptr<service::Engine> make_engine(Settings settings = {});

} // namespace mover
