/// A strong integer: one type for each number space, so that two spaces never mix by accident
/// (docs/architecture.md, "Numbers have types"). It costs nothing, so release builds keep it.
#pragma once

#include <compare>
#include <cstdint>

namespace base {

/// A small identifier (a domain, a port, a CPU): it can be compared and printed, and nothing else.
template <typename Tag, typename Raw> class Id {
  public:
    using raw_type = Raw;

    constexpr Id() = default;
    constexpr explicit Id(Raw raw) : raw_{raw} {}

    [[nodiscard]] constexpr Raw raw() const { return raw_; }
    constexpr auto operator<=>(Id const&) const = default;

  private:
    Raw raw_ = 0;
};

using DomId = Id<struct DomIdTag, std::uint16_t>;             ///< a domain; Xen's domid_t
using VcpuId = Id<struct VcpuIdTag, std::uint32_t>;           ///< a virtual CPU, dense within its domain
using CpuId = Id<struct CpuIdTag, std::uint32_t>;             ///< a physical CPU, dense from 0 (not the APIC id)
using Port = Id<struct PortTag, std::uint32_t>;               ///< an event-channel port, local to one domain
using GrantRef = Id<struct GrantRefTag, std::uint32_t>;       ///< an index into a domain's grant table
using GrantHandle = Id<struct GrantHandleTag, std::uint32_t>; ///< a mapping made from a grant, local to the mapper

/// How many physical CPUs the data structures are made for.
inline constexpr std::uint32_t kMaxCpus = 256;

} // namespace base
