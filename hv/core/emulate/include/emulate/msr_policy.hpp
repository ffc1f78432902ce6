/// Model-specific registers as a PV guest reads and writes them, and why: one table (docs/abi.md §4.3), in
/// msr_policy.cpp. What it does not name is refused: #GP.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>

#include "base/frame.hpp"
#include "emulate/domain_kind.hpp"

namespace emulate {

enum class MsrRead : std::uint8_t {
    refuse,
    constant,          ///< `value`
    host,              ///< (the host's & `keep`) | `value`; refused if the host has none
    host_for_hardware, ///< as `host` for dom0, else `value`
    apic_base,         ///< the architectural default; BSP for vCPU 0
    tsc,
    tsc_aux,
    fs_base,
    gs_base,
    inactive_gs_base,
};

enum class MsrWrite : std::uint8_t {
    refuse,
    ignore,
    zero_only, ///< zero is ignored, anything else refused
    same_only, ///< what a read gives is ignored, anything else refused
    tsc_aux,
    fs_base,
    gs_base,
    inactive_gs_base,
};

struct MsrRow {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    MsrRead read{};
    MsrWrite write{};
    std::uint64_t value = 0;
    std::uint64_t keep = 0;
    char const* reason = "";
};

[[nodiscard]] std::span<MsrRow const> msr_table();
/// The row for @p msr, or null: refused.
[[nodiscard]] MsrRow const* find_msr(std::uint32_t msr);

/// What the rows need of a vCPU that runs on this CPU.
template <typename B>
concept MsrBank = requires(B& bank, std::uint32_t msr, std::uint64_t value) {
    { bank.kind() } -> std::same_as<DomainKind>;
    { bank.is_boot_vcpu() } -> std::same_as<bool>;
    { bank.host_msr(msr) } -> std::same_as<std::optional<std::uint64_t>>;
    { bank.tsc() } -> std::same_as<std::uint64_t>;
    { bank.tsc_aux() } -> std::same_as<std::uint64_t>;
    bank.set_tsc_aux(value);
    { bank.fs_base() } -> std::same_as<std::uint64_t>;
    { bank.gs_base() } -> std::same_as<std::uint64_t>;
    { bank.inactive_gs_base() } -> std::same_as<std::uint64_t>;
    bank.set_fs_base(value);
    bank.set_gs_base(value);
    bank.set_inactive_gs_base(value);
};

/// RDMSR by a guest's kernel: the value, or nothing for #GP.
template <MsrBank B> [[nodiscard]] std::optional<std::uint64_t> guest_read_msr(B& bank, std::uint32_t msr) {
    MsrRow const* const row = find_msr(msr);
    if (row == nullptr)
        return std::nullopt;
    switch (row->read) {
        using enum MsrRead;
    case refuse: return std::nullopt;
    case constant: return row->value;
    case host_for_hardware:
        if (bank.kind() != DomainKind::hardware)
            return row->value;
        [[fallthrough]];
    case host: {
        auto const real = bank.host_msr(msr);
        if (!real)
            return std::nullopt;
        return (*real & row->keep) | row->value;
    }
    case apic_base: {
        constexpr std::uint64_t kBootProcessor = 1U << 8;
        return row->value | (bank.is_boot_vcpu() ? kBootProcessor : 0);
    }
    case tsc: return bank.tsc();
    case tsc_aux: return bank.tsc_aux();
    case fs_base: return bank.fs_base();
    case gs_base: return bank.gs_base();
    case inactive_gs_base: return bank.inactive_gs_base();
    }
    return std::nullopt;
}

/// WRMSR by a guest's kernel: false for #GP.
template <MsrBank B> [[nodiscard]] bool guest_write_msr(B& bank, std::uint32_t msr, std::uint64_t value) {
    MsrRow const* const row = find_msr(msr);
    if (row == nullptr)
        return false;
    bool const canonical = base::canonical(base::Vaddr{value});
    switch (row->write) {
        using enum MsrWrite;
    case refuse: return false;
    case ignore: return true;
    case zero_only: return value == 0;
    case same_only: return guest_read_msr(bank, msr) == value;
    case tsc_aux:
        if (value >> 32 != 0)
            return false;
        bank.set_tsc_aux(value);
        return true;
    case fs_base:
        if (canonical)
            bank.set_fs_base(value);
        return canonical;
    case gs_base:
        if (canonical)
            bank.set_gs_base(value);
        return canonical;
    case inactive_gs_base:
        if (canonical)
            bank.set_inactive_gs_base(value);
        return canonical;
    }
    return false;
}

} // namespace emulate
