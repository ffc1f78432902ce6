/// What the boot loader and the firmware tell.
#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "panic.hpp"
#include "start_of_day_steps.hpp"
#include "version.hpp"
#include "x86/power.hpp"
#include "x86/serial.hpp"

namespace {

constexpr std::uint64_t kBootMapped = std::uint64_t{4} << 30; ///< boot.S maps so much

/// Bytes of physical memory, as long as the boot loader's translations stand.
base::Bytes boot_bytes(base::Maddr at, std::size_t count) {
    if (at.raw() > kBootMapped || count > kBootMapped - at.raw())
        return {};
    return {arch::direct_map(frame_of(at)) + at.offset(), count};
}

console::UpTo up_to(boot::LogLevel level) { return static_cast<console::UpTo>(level); }
static_assert(static_cast<int>(console::UpTo::debug) == static_cast<int>(boot::LogLevel::debug));

void print_complaint(boot::OptionComplaint const& complaint) {
    switch (complaint.kind) {
        using enum boot::OptionComplaint::Kind;
    case unknown: return console::warning("option {} is not known, and ignored", complaint.word);
    case bad_value: return console::warning("option {} makes no sense, and is ignored", complaint.word);
    case unneeded: return console::info("option {} has no meaning here", complaint.word);
    }
}

std::string_view name_of(boot::MemoryType type) {
    switch (type) {
        using enum boot::MemoryType;
    case ram: return "RAM";
    case reserved: return "reserved";
    case acpi_tables: return "ACPI tables";
    case acpi_nvs: return "ACPI NVS";
    case unusable: return "unusable";
    }
    return "unknown";
}

std::uint16_t port_of(boot::GenericAddress const& address) {
    bool const is_port = address.space == boot::GenericAddress::Space::io && address.address <= 0xffff;
    return is_port ? static_cast<std::uint16_t>(address.address) : std::uint16_t{0};
}

x86::PowerRegisters power_registers(boot::Fadt const& fadt) {
    return {.pm1a_control = port_of(fadt.pm1a_control),
            .pm1b_control = port_of(fadt.pm1b_control),
            .reset_port = port_of(fadt.reset),
            .reset_value = fadt.reset_value};
}

} // namespace

void open_console(boot::Options const& options) {
    auto const& com1 = options.com1;
    if (!options.serial_console)
        return x86::close_serial();
    x86::open_serial({.port = com1.port,
                      .baud = com1.baud,
                      .data_bits = com1.data_bits,
                      .parity = com1.parity,
                      .stop_bits = com1.stop_bits});
}

void read_boot_information(Machine& machine, std::uint32_t magic, std::uint32_t info) {
    if (magic != boot::kMultiboot2Magic)
        panic("started by something that is no Multiboot2 loader: use GRUB's command multiboot2");
    base::Maddr const at{info};
    auto const size = boot::multiboot2_size(boot_bytes(at, 8));
    if (!size)
        panic("the boot loader's information has no size");
    auto const bytes = boot_bytes(at, *size);
    if (bytes.empty() || !boot::parse_multiboot2(bytes, machine.info).ok())
        panic("the boot loader's information is broken");
    machine.boot_information = boot::frames_around(at, at + *size);
}

void apply_options(Machine& machine) {
    machine.command_line = boot::parse_command_line(machine.info.command_line);
    auto const& options = machine.command_line.options;
    open_console(options);
    console::the_console.set_thresholds({up_to(options.log), up_to(options.log)},
                                        {up_to(options.guest_log), up_to(options.guest_log)});
    x86::set_power_policy({.debug_exit = options.debug_exit, .restart = options.reboot});

    console::always("Tern {}, started by {}", kVersion, machine.info.loader);
    console::info("command line: {}", machine.info.command_line);
    for (auto const& complaint : machine.command_line.complaints)
        print_complaint(complaint);
}

void read_memory_map(Machine& machine) {
    auto& map = machine.memory_map;
    if (!map.assign(machine.info.memory).ok())
        panic("the boot loader's memory map is too long");
    for (auto const& range : map.ranges())
        console::debug("memory {} .. {}: {}", range.start, range.end, name_of(range.type));
    if (auto const limit = machine.command_line.options.memory_limit; limit && !map.clip(*limit).ok())
        panic("the memory map has too many pieces for mem=");
    console::info("RAM: {} MiB, ends at {}", map.ram_frames() >> 8, address_of(map.end_of_ram()));
    for (auto const& module : machine.info.modules)
        console::info("module {} .. {}: {}", module.start, module.end, module.command_line);
}

void read_firmware_tables(Machine& machine) {
    auto& acpi = machine.acpi;
    auto const bytes = [](base::Maddr at, std::size_t count) { return boot_bytes(at, count); };
    boot::PhysicalMemory const memory{bytes};
    if (auto const read = boot::read_acpi(memory, machine.info.rsdp, acpi); !read.ok())
        panic("there are no usable ACPI tables: CPUs and interrupt controllers cannot be found");
    for (auto const& complaint : acpi.complaints)
        console::warning("ACPI table {}: {}", std::string_view{complaint.table.data(), complaint.table.size()},
                         complaint.reason);
    if (acpi.fadt)
        x86::set_power_registers(power_registers(*acpi.fadt));
    console::info("ACPI: {} CPUs ({} more disabled), {} I/O APICs{}", acpi.madt.cpus.size(), acpi.madt.disabled_cpus,
                  acpi.madt.io_apics.size(), acpi.hpet ? ", HPET" : "");
}
