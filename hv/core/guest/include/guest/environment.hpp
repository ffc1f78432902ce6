/// What a vCPU's privileged instructions act on: the bridge from the emulator's rules to a vCPU that runs on this CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "arch/cpu.hpp"
#include "domain/vcpu.hpp"
#include "emulate/msr_policy.hpp"
#include "emulate/privileged.hpp"

namespace guest {

class VcpuEnvironment {
  public:
    explicit VcpuEnvironment(domain::Vcpu& vcpu) : vcpu_{vcpu} {}

    // --- emulate::Environment ------------------------------------------------------------------------------------
    [[nodiscard]] bool in_kernel_mode() const { return vcpu_.in_kernel(); }
    [[nodiscard]] unsigned iopl() const;
    [[nodiscard]] emulate::SegmentBases segment_bases() const { return {arch::fs_base(), arch::gs_base()}; }
    [[nodiscard]] std::optional<std::uint64_t> read_msr(std::uint32_t msr) {
        return emulate::guest_read_msr(*this, msr);
    }
    [[nodiscard]] bool write_msr(std::uint32_t msr, std::uint64_t value) {
        return emulate::guest_write_msr(*this, msr, value);
    }
    [[nodiscard]] std::optional<std::uint64_t> read_control(std::uint32_t number) const;
    [[nodiscard]] bool write_control(std::uint32_t number, std::uint64_t value);
    [[nodiscard]] std::optional<std::uint64_t> read_debug(std::uint32_t number) const;
    [[nodiscard]] bool write_debug(std::uint32_t number, std::uint64_t value);
    [[nodiscard]] bool write_xcr0(std::uint64_t value);
    /// The bits of @p value that the guest may choose in its CR4.
    [[nodiscard]] std::uint64_t allowed_cr4(std::uint64_t value) const;
    [[nodiscard]] arch::CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf, emulate::CpuidView view) const;
    [[nodiscard]] std::uint64_t read_tsc() const { return arch::read_tsc(); }
    [[nodiscard]] std::uint64_t read_tsc_aux() const { return vcpu_.tsc_aux; }
    void write_back_caches() const;
    [[nodiscard]] bool bitmap_allows(std::uint16_t port, unsigned bytes) const;
    [[nodiscard]] std::uint32_t port_in(std::uint16_t port, unsigned bytes);
    void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value);
    [[nodiscard]] std::optional<emulate::MemoryFault> probe_write(base::Vaddr at, unsigned bytes) const;
    [[nodiscard]] std::optional<emulate::MemoryFault> copy_from_guest(std::span<std::byte> into, base::Vaddr at) const;
    [[nodiscard]] std::optional<emulate::MemoryFault> copy_to_guest(base::Vaddr at,
                                                                    std::span<std::byte const> from) const;

    // --- emulate::MsrBank ----------------------------------------------------------------------------------------
    [[nodiscard]] emulate::DomainKind kind() const;
    [[nodiscard]] bool is_boot_vcpu() const { return vcpu_.id.raw() == 0; }
    [[nodiscard]] std::optional<std::uint64_t> host_msr(std::uint32_t msr) const { return arch::read_msr(msr); }
    [[nodiscard]] std::uint64_t tsc() const { return arch::read_tsc(); }
    [[nodiscard]] std::uint64_t tsc_aux() const { return vcpu_.tsc_aux; }
    void set_tsc_aux(std::uint64_t value) {
        vcpu_.tsc_aux = value;
        arch::set_tsc_aux(value);
    }
    [[nodiscard]] std::uint64_t fs_base() const { return arch::fs_base(); }
    [[nodiscard]] std::uint64_t gs_base() const { return arch::gs_base(); }
    [[nodiscard]] std::uint64_t inactive_gs_base() const { return arch::inactive_gs_base(); }
    void set_fs_base(std::uint64_t value) { arch::set_fs_base(value); }
    void set_gs_base(std::uint64_t value) { arch::set_gs_base(value); }
    void set_inactive_gs_base(std::uint64_t value) { arch::set_inactive_gs_base(value); }

  private:
    [[nodiscard]] bool offered(std::uint32_t leaf, std::uint32_t arch::CpuidResult::*where, unsigned bit) const;

    domain::Vcpu& vcpu_;
};

static_assert(emulate::Environment<VcpuEnvironment>);
static_assert(emulate::MsrBank<VcpuEnvironment>);

} // namespace guest
