/// A vCPU and a machine for privileged instructions, that remember what was done to them.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "emulate/control_policy.hpp"
#include "emulate/privileged.hpp"

namespace test {

struct FakeEnvironment {
    // what the guest is
    bool kernel = true;
    unsigned virtual_iopl = 1;
    emulate::SegmentBases bases{};
    std::map<std::uint32_t, std::uint64_t> msrs;
    std::map<std::uint32_t, std::uint64_t> controls{{0, 0x8005'0033}, {4, 0x660}};
    std::map<std::uint32_t, std::uint64_t> debugs{{7, 0x400}};
    std::optional<std::uint64_t> xcr0;
    std::uint64_t tsc = 0x1'2345'6789;
    std::vector<std::uint16_t> bitmap_ports; ///< those that the I/O bitmap allows
    std::vector<std::byte> memory = std::vector<std::byte>(0x4000);
    std::uint64_t memory_base = 0x80000; ///< everything else faults

    // what it did
    struct PortWrite {
        std::uint16_t port;
        unsigned bytes;
        std::uint32_t value;
        bool operator==(PortWrite const&) const = default;
    };
    std::vector<PortWrite> written;
    unsigned port_reads = 0;
    unsigned cache_writebacks = 0;
    std::vector<emulate::CpuidView> views;

    bool in_kernel_mode() { return kernel; }
    unsigned iopl() { return virtual_iopl; }
    emulate::SegmentBases segment_bases() { return bases; }

    static std::optional<std::uint64_t> find(std::map<std::uint32_t, std::uint64_t> const& in, std::uint32_t number) {
        auto const found = in.find(number);
        return found == in.end() ? std::nullopt : std::optional{found->second};
    }
    static bool replace(std::map<std::uint32_t, std::uint64_t>& in, std::uint32_t number, std::uint64_t value) {
        auto const found = in.find(number);
        if (found == in.end())
            return false;
        found->second = value;
        return true;
    }
    std::optional<std::uint64_t> read_msr(std::uint32_t number) { return find(msrs, number); }
    bool write_msr(std::uint32_t number, std::uint64_t value) { return replace(msrs, number, value); }
    std::optional<std::uint64_t> read_control(std::uint32_t number) { return find(controls, number); }
    bool write_control(std::uint32_t number, std::uint64_t value) { return replace(controls, number, value); }
    std::optional<std::uint64_t> read_debug(std::uint32_t number) { return find(debugs, number); }
    bool write_debug(std::uint32_t number, std::uint64_t value) { return replace(debugs, number, value); }
    bool write_xcr0(std::uint64_t value) {
        if (!emulate::valid_xcr0(value, 7))
            return false;
        xcr0 = value;
        return true;
    }
    arch::CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf, emulate::CpuidView view) {
        views.push_back(view);
        return {leaf + 1, subleaf + 2, 3, 4};
    }
    std::uint64_t read_tsc() { return tsc; }
    std::uint64_t read_tsc_aux() { return 0x77; }
    void write_back_caches() { ++cache_writebacks; }

    bool bitmap_allows(std::uint16_t port, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i)
            if (std::find(bitmap_ports.begin(), bitmap_ports.end(), port + i) == bitmap_ports.end())
                return false;
        return true;
    }
    std::uint32_t port_in(std::uint16_t, unsigned) { return 0xa0b0'c000 + port_reads++; }
    void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) { written.push_back({port, bytes, value}); }

    std::optional<emulate::MemoryFault> reach(base::Vaddr at, std::size_t bytes, std::uint32_t error_code) const {
        for (std::uint64_t one = at.raw(); one < at.raw() + bytes; ++one)
            if (one < memory_base || one >= memory_base + memory.size())
                return emulate::MemoryFault{base::Vaddr{one}, error_code};
        return std::nullopt;
    }
    std::optional<emulate::MemoryFault> probe_write(base::Vaddr at, unsigned bytes) { return reach(at, bytes, 2); }
    std::optional<emulate::MemoryFault> copy_from_guest(std::span<std::byte> into, base::Vaddr at) {
        auto const fault = reach(at, into.size(), 0);
        if (!fault)
            std::copy_n(memory.begin() + static_cast<std::ptrdiff_t>(at.raw() - memory_base), into.size(),
                        into.begin());
        return fault;
    }
    std::optional<emulate::MemoryFault> copy_to_guest(base::Vaddr at, std::span<std::byte const> from) {
        auto const fault = reach(at, from.size(), 2);
        if (!fault)
            std::copy(from.begin(), from.end(), memory.begin() + static_cast<std::ptrdiff_t>(at.raw() - memory_base));
        return fault;
    }
};
static_assert(emulate::Environment<FakeEnvironment>);

} // namespace test
