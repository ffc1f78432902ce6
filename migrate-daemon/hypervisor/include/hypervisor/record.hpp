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

/// Of one domain. Made while it runs yet: what the call needs is there then, and a blackout need not wait for it.
class RecordOf {
  public:
    static Result<RecordOf> domain(Toolstack const& tools, std::uint32_t domain);
    /// REQUIRES: the domain stands still.
    Result<std::vector<std::byte>> take();

  private:
    RecordOf(Toolstack const& tools, std::uint32_t domain) : tools_{&tools}, domain_{domain} {}

    Toolstack const* tools_;
    std::uint32_t domain_;
    CallBuffer buffer_;
};

/// Into an empty domain whose memory is there already (hypervisor/shell.hpp). `precondition`: this host cannot be its host.
Result<void> set_record(Toolstack const& tools, std::uint32_t domain, std::span<std::byte const> record, Way way);

} // namespace hypervisor
