/// The layout of a domain record, and what its numbers are bounded by (docs/domain-record.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "abi/xen.hpp"

#include "abi/tern_record.h"
#include "base/number.hpp"

namespace record {

inline constexpr std::uint32_t kMostVcpus = base::kMaxCpus;
inline constexpr std::uint32_t kMostPorts = EVTCHN_2L_NR_CHANNELS;
inline constexpr std::uint32_t kMostGrantFrames = 64;
inline constexpr std::uint32_t kMostRanges = 128;
inline constexpr std::uint64_t kShortestPeriod = 1'000'000, kLongestPeriod = 0x7fff'ffff'ffff'ffff; ///< of a timer, ns
inline constexpr std::uint32_t kPageSize = 4096;
inline constexpr std::uint64_t kEndGfn = 0xffff'ffff;
/// An XSAVE area of everything that XCR0 has today is smaller.
inline constexpr std::uint64_t kLeastArea = 512, kMostArea = std::uint64_t{64} << 10;
/// More sections than all types together have, so that going through them takes no time to speak of.
inline constexpr std::uint32_t kMostSections = 4 * kMostVcpus + 1024;

inline constexpr std::uint32_t kTypes = 13; ///< they are 1 to 12

/// Sections of which each vCPU has one; of others the domain has one.
constexpr bool of_vcpu(std::uint32_t type) { return type >= TERN_RECORD_S_vcpu && type <= TERN_RECORD_S_areas; }

constexpr std::uint64_t padded(std::uint64_t length) { return (length + 7) & ~std::uint64_t{7}; }

static_assert(sizeof(tern_record_header) == 24);
static_assert(sizeof(tern_record_section) == 16);
static_assert(sizeof(tern_record_domain) == 72);
static_assert(sizeof(tern_record_cpu) == 80);
static_assert(sizeof(tern_record_time) == 40);
static_assert(sizeof(tern_record_range) == 24);
static_assert(sizeof(tern_record_vcpu) == 56);
static_assert(sizeof(vcpu_guest_context_t) == 5168);
static_assert(offsetof(vcpu_guest_context_t, user_regs) == 520);
static_assert(offsetof(vcpu_guest_context_t, trap_ctxt) == 720);
static_assert(offsetof(vcpu_guest_context_t, ctrlreg) == 4984);
static_assert(offsetof(vcpu_guest_context_t, fs_base) == 5144);
static_assert(sizeof(tern_record_timers) == 80);
static_assert(sizeof(tern_record_areas) == 32);
static_assert(sizeof(tern_record_channels) == 8);
static_assert(sizeof(tern_record_channel) == 16);
static_assert(sizeof(tern_record_grants) == 8);
static_assert(sizeof(tern_record_tables) == 8);

} // namespace record
