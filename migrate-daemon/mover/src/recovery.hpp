/// A migration whose process died, or was left, is brought to its end: by what this host's journal says, what is found of the guest, and what the
/// other host says (docs/migration-protocol.md, "What each crash leads to").
#pragma once

#include <vector>

#include "service/engine.hpp"

namespace mover {

outcome::Result<service::Summary> recover(service::JournalHead const& head,
                                          std::vector<service::JournalEntry> const& entries, service::Workbench& bench);

} // namespace mover
