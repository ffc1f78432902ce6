/// The domain record (docs/domain-record.md), as octets: what the hypervisor holds of a domain that stands still.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hypervisor/failure.hpp"
#include "hypervisor/suspension.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

Result<std::vector<std::byte>> record_of(Toolstack const& tools, std::uint32_t domain);

/// Into an empty domain whose memory is there already (hypervisor/shell.hpp). `precondition`: this host cannot be its host.
Result<void> set_record(Toolstack const& tools, std::uint32_t domain, std::span<std::byte const> record, Way way);

} // namespace hypervisor
