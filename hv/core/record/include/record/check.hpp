/// What each structure of a record may say, whatever domain and host it is for. `invalid` otherwise.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "record/layout.hpp"

namespace record {

[[nodiscard]] base::Status check(tern_record_domain const& domain);
[[nodiscard]] base::Status check(tern_record_cpu const& cpu);
[[nodiscard]] base::Status check(tern_record_time const& time);
[[nodiscard]] base::Status check(tern_record_range const& range);
[[nodiscard]] base::Status check(tern_record_vcpu const& vcpu);
[[nodiscard]] base::Status check(tern_record_extended_state const& state);
[[nodiscard]] base::Status check(tern_record_timers const& timers);
[[nodiscard]] base::Status check(tern_record_areas const& areas);
[[nodiscard]] base::Status check(tern_record_channels const& channels);
[[nodiscard]] base::Status check(tern_record_grants const& grants);

/// All ports of a table of @p limit, of a domain with @p vcpus: each by itself, in rising order, no VIRQ bound twice, and the
/// two ends of what is bound within the domain name each other.
[[nodiscard]] base::Status check(std::span<tern_record_channel const> channels, std::uint32_t limit,
                                 std::uint32_t vcpus);

/// Tables, in rising order after @p previous, which is the frame before them (or TERN_RECORD_NONE).
[[nodiscard]] base::Status check_tables(std::span<std::uint64_t const> tables, std::uint64_t previous);

/// Whether a CPU that is @p here is all that @p told says. `no_device` if not.
[[nodiscard]] base::Status fits(tern_record_cpu const& told, tern_record_cpu const& here);

} // namespace record
