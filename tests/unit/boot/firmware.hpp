/// A machine's firmware, made by hand: ACPI tables in a physical memory with holes.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "boot/acpi.hpp"
#include "unit/boot/byte_builder.hpp"

namespace test {

/// Physical memory of which only the pieces that were put there can be read.
class FakeMemory {
  public:
    void put(base::Maddr at, base::Bytes bytes) { pieces_[at.raw()] = {bytes.begin(), bytes.end()}; }

    base::Bytes operator()(base::Maddr at, std::size_t count) const {
        for (auto const& [start, bytes] : pieces_)
            if (at.raw() >= start && at.raw() - start < bytes.size())
                return base::slice(bytes, at.raw() - start, count).value_or(base::Bytes{});
        return {};
    }

  private:
    std::map<std::uint64_t, std::vector<std::byte>> pieces_;
};

/// A table: header, @p body, right length and checksum.
inline ByteBuilder acpi_table(std::string_view signature, base::Bytes body, unsigned revision = 1) {
    ByteBuilder table;
    table.text(signature).u32(static_cast<std::uint32_t>(36 + body.size())).u8(revision).u8(0);
    table.text("TERN  ").text("TESTTABL").u32(1).text("TERN").u32(1).append(body);
    return table.fix_checksum(9, table.size());
}

/// A root pointer of ACPI 1.0, or of 2.0 if there is an XSDT.
inline ByteBuilder rsdp(std::uint32_t rsdt, std::uint64_t xsdt = 0) {
    ByteBuilder pointer;
    pointer.text("RSD PTR ").u8(0).text("TERN  ").u8(xsdt == 0 ? 0 : 2).u32(rsdt).fix_checksum(8, 20);
    if (xsdt != 0)
        pointer.u32(36).u64(xsdt).u8(0).u8(0).u8(0).u8(0).fix_checksum(32, 36);
    return pointer;
}

/// The entries of a MADT (ACPI specification 6.4, §5.2.12).
struct MadtBuilder {
    ByteBuilder body;

    explicit MadtBuilder(std::uint32_t local_apic = 0xfee00000, std::uint32_t flags = 1) {
        body.u32(local_apic).u32(flags);
    }
    MadtBuilder& local_apic(unsigned acpi_id, unsigned apic_id, std::uint32_t flags = 1) {
        body.u8(0).u8(8).u8(acpi_id).u8(apic_id).u32(flags);
        return *this;
    }
    MadtBuilder& io_apic(unsigned id, std::uint32_t address, std::uint32_t gsi) {
        body.u8(1).u8(12).u8(id).u8(0).u32(address).u32(gsi);
        return *this;
    }
    MadtBuilder& override(unsigned irq, std::uint32_t gsi, unsigned flags, unsigned bus = 0) {
        body.u8(2).u8(10).u8(bus).u8(irq).u32(gsi).u16(flags);
        return *this;
    }
    MadtBuilder& nmi(unsigned flags, std::uint32_t gsi) {
        body.u8(3).u8(8).u16(flags).u32(gsi);
        return *this;
    }
    MadtBuilder& local_nmi(unsigned acpi_id, unsigned flags, unsigned lint) {
        body.u8(4).u8(6).u8(acpi_id).u16(flags).u8(lint);
        return *this;
    }
    MadtBuilder& local_apic_address(std::uint64_t address) {
        body.u8(5).u8(12).u16(0).u64(address);
        return *this;
    }
    MadtBuilder& x2apic(std::uint32_t acpi_id, std::uint32_t apic_id, std::uint32_t flags = 1) {
        body.u8(9).u8(16).u16(0).u32(apic_id).u32(flags).u32(acpi_id);
        return *this;
    }
    MadtBuilder& x2apic_nmi(std::uint32_t acpi_id, unsigned flags, unsigned lint) {
        body.u8(10).u8(12).u16(flags).u32(acpi_id).u8(lint).u8(0).u16(0);
        return *this;
    }
    [[nodiscard]] ByteBuilder table() const { return acpi_table("APIC", body, 3); }
};

/// What QEMU's q35 machine with @p cpus CPUs says.
inline ByteBuilder q35_madt(unsigned cpus = 4) {
    MadtBuilder madt;
    for (unsigned cpu = 0; cpu < cpus; ++cpu)
        madt.local_apic(cpu, cpu);
    madt.io_apic(0, 0xfec00000, 0);
    madt.override(0, 2, 0);
    for (unsigned const irq : {5U, 9U, 10U, 11U})
        madt.override(irq, irq, 0xd);
    madt.local_nmi(0xff, 0, 1);
    return madt.table();
}

inline ByteBuilder q35_fadt() {
    ByteBuilder body;
    body.pad_to(244 - 36);
    auto const at = [](std::size_t offset) { return offset - 36; };
    body.patch(at(40), std::uint32_t{0x7ffe0040}); // DSDT
    body.patch(at(46), std::uint16_t{9});          // SCI
    body.patch(at(48), std::uint32_t{0xb2}).patch(at(52), std::uint8_t{2});
    body.patch(at(56), std::uint32_t{0x600}).patch(at(64), std::uint32_t{0x604}).patch(at(76), std::uint32_t{0x608});
    body.patch(at(88), std::uint8_t{4}).patch(at(89), std::uint8_t{2}).patch(at(91), std::uint8_t{4});
    body.patch(at(109), std::uint16_t{2});                 // 8042
    body.patch(at(112), std::uint32_t{0x84a5 | 1U << 10}); // flags; the reset register works
    body.patch(at(116), std::uint8_t{1}).patch(at(117), std::uint8_t{8}).patch(at(120), std::uint64_t{0xcf9});
    body.patch(at(128), std::uint8_t{0x0f});
    body.patch(at(140), std::uint64_t{0x7ffe0040}); // X_DSDT
    body.patch(at(148), std::uint8_t{1}).patch(at(149), std::uint8_t{32}).patch(at(152), std::uint64_t{0x600});
    body.patch(at(172), std::uint8_t{1}).patch(at(173), std::uint8_t{16}).patch(at(176), std::uint64_t{0x604});
    body.patch(at(208), std::uint8_t{1}).patch(at(209), std::uint8_t{32}).patch(at(212), std::uint64_t{0x608});
    return acpi_table("FACP", body, 3);
}

inline ByteBuilder q35_hpet() {
    ByteBuilder body;
    body.u32(0x8086a201).u8(0).u8(0).u8(0).u8(0).u64(0xfed00000).u8(0).u16(0).u8(0);
    return acpi_table("HPET", body);
}

inline ByteBuilder q35_mcfg() {
    ByteBuilder body;
    body.u64(0).u64(0xb0000000).u16(0).u8(0).u8(255).u32(0);
    return acpi_table("MCFG", body);
}

/// Tables at consecutive addresses, an RSDT and an XSDT that list them, and a root pointer.
class Firmware {
  public:
    static constexpr base::Maddr kTables{0x7ffe0000};
    static constexpr base::Maddr kRsdt{0x7fff0000};
    static constexpr base::Maddr kXsdt{0x7fff1000};
    static constexpr base::Maddr kBiosArea{0xe0000};

    base::Maddr add(base::Bytes table) {
        auto const at = next_;
        memory.put(at, table);
        next_ = base::Maddr{(next_.raw() + table.size() + 63) & ~std::uint64_t{63}};
        tables_.push_back(at);
        return at;
    }
    /// Lists a table at @p at, whatever is there.
    void list(base::Maddr at) { tables_.push_back(at); }

    /// Writes both lists.
    void seal() {
        ByteBuilder narrow;
        ByteBuilder wide;
        for (auto const at : tables_) {
            narrow.u32(static_cast<std::uint32_t>(at.raw()));
            wide.u64(at.raw());
        }
        memory.put(kRsdt, acpi_table("RSDT", narrow));
        memory.put(kXsdt, acpi_table("XSDT", wide));
    }
    [[nodiscard]] static ByteBuilder old_pointer() { return rsdp(kRsdt.raw()); }
    [[nodiscard]] static ByteBuilder pointer() { return rsdp(kRsdt.raw(), kXsdt.raw()); }

    /// All of QEMU's q35.
    static Firmware q35(unsigned cpus = 4) {
        Firmware firmware;
        firmware.add(q35_fadt());
        firmware.add(q35_madt(cpus));
        firmware.add(q35_hpet());
        firmware.add(q35_mcfg());
        firmware.add(acpi_table("WAET", ByteBuilder{}.u32(2)));
        firmware.seal();
        return firmware;
    }

    FakeMemory memory;

  private:
    base::Maddr next_ = kTables;
    std::vector<base::Maddr> tables_;
};

} // namespace test
