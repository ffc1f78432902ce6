#include "boot/command_line.hpp"

#include <algorithm>
#include <array>

#include "base/assert.hpp"
#include "boot/words.hpp"

namespace boot {

namespace {

/// An option as written: `name`, `name=value`, or `no-name`.
struct Argument {
    std::string_view value;
    bool has_value = false;
    bool negated = false;
};

struct Option {
    std::string_view name;
    bool (*apply)(Argument const&, Options&); ///< false: the value makes no sense, and nothing was changed
    std::string_view help;
};

// --- how values are read -------------------------------------------------------------------------------------------

std::optional<bool> boolean_of(Argument const& argument) {
    if (!argument.has_value)
        return !argument.negated;
    return argument.negated ? std::nullopt : parse_boolean(argument.value);
}

template <bool Options::*Member, bool WhenSet = true> bool apply_flag(Argument const& argument, Options& options) {
    auto const on = boolean_of(argument);
    if (on)
        options.*Member = *on == WhenSet;
    return on.has_value();
}

std::optional<LogLevel> parse_level(std::string_view text) {
    if (text == "none")
        return LogLevel::none;
    if (text == "error")
        return LogLevel::error;
    if (text == "warning")
        return LogLevel::warning;
    if (text == "info")
        return LogLevel::info;
    if (text == "debug" || text == "all")
        return LogLevel::debug;
    return std::nullopt;
}

/// `<level>[/<level>]`: in Xen what lies between the two is limited in rate. Ours shows up to the first.
template <LogLevel Options::*Member> bool apply_level(Argument const& argument, Options& options) {
    auto rest = argument.value;
    auto const level = parse_level(take_until(rest, '/'));
    if (!level || (!rest.empty() && !parse_level(rest)))
        return false;
    options.*Member = *level;
    return true;
}

/// A list of `com1`, `vga` and `none`.
bool apply_console(Argument const& argument, Options& options) {
    if (!argument.has_value)
        return false;
    bool serial = false;
    bool vga = false;
    for (auto rest = argument.value; !rest.empty();) {
        auto const device = take_until(rest, ',');
        if (device == "com1")
            serial = true;
        else if (device == "vga")
            vga = true;
        else if (device != "none")
            return false;
    }
    options.serial_console = serial;
    options.vga_console = vga;
    return true;
}

/// The line format of a serial port: `8n1`.
bool read_line_format(std::string_view text, SerialPort& into) {
    if (text.size() != 3)
        return false;
    static constexpr std::string_view kParities{"noems"};
    bool const parity_known = std::find(kParities.begin(), kParities.end(), text[1]) != kParities.end();
    bool const bits_known = text[0] >= '5' && text[0] <= '8' && (text[2] == '1' || text[2] == '2');
    if (!parity_known || !bits_known)
        return false;
    into.data_bits = static_cast<std::uint8_t>(text[0] - '0');
    into.parity = text[1];
    into.stop_bits = static_cast<std::uint8_t>(text[2] - '0');
    return true;
}

/// `<baud>[/<clock>][,<format>[,<port>[,<irq>]]]`; an empty part keeps its default.
bool apply_com1(Argument const& argument, Options& options) {
    SerialPort port;
    auto rest = argument.value;
    auto speed = take_until(rest, ',');
    auto const baud_text = take_until(speed, '/');
    if (baud_text == "auto") {
        port.baud = 0;
    } else if (!baud_text.empty()) {
        auto const baud = parse_number(baud_text);
        if (!baud || *baud == 0 || *baud > 115200)
            return false;
        port.baud = static_cast<std::uint32_t>(*baud);
    }
    if (!speed.empty() && !parse_number(speed))
        return false;
    if (auto const format = take_until(rest, ','); !format.empty() && !read_line_format(format, port))
        return false;
    if (auto const text = take_until(rest, ','); !text.empty()) {
        auto const number = parse_number(text);
        if (!number || *number == 0 || *number > 0xffff)
            return false;
        port.port = static_cast<std::uint16_t>(*number);
    }
    if (auto const text = take_until(rest, ','); !text.empty()) {
        auto const number = parse_number(text);
        if (!number || *number > 0xff)
            return false;
        port.irq = static_cast<std::uint8_t>(*number);
    }
    if (!rest.empty())
        return false;
    options.com1 = port;
    return true;
}

bool apply_dom0_memory(Argument const& argument, Options& options) {
    auto const memory = parse_dom0_memory(argument.value);
    if (!memory)
        return false;
    // Xen lets one option give the size and another the limits.
    if (memory->size)
        options.dom0_memory.size = memory->size;
    if (memory->minimum)
        options.dom0_memory.minimum = memory->minimum;
    if (memory->maximum)
        options.dom0_memory.maximum = memory->maximum;
    return true;
}

bool apply_dom0_vcpus(Argument const& argument, Options& options) {
    auto const vcpus = parse_dom0_vcpus(argument.value);
    if (vcpus)
        options.dom0_vcpus = *vcpus;
    return vcpus.has_value();
}

bool apply_memory_limit(Argument const& argument, Options& options) {
    auto const limit = parse_size(argument.value);
    if (!limit || *limit == 0)
        return false;
    options.memory_limit = base::Maddr{*limit};
    return true;
}

bool apply_max_cpus(Argument const& argument, Options& options) {
    auto const number = parse_number(argument.value);
    if (!number || *number == 0 || *number > ~std::uint32_t{0})
        return false;
    options.max_cpus = static_cast<std::uint32_t>(*number);
    return true;
}

bool apply_shadow_pool(Argument const& argument, Options& options) {
    auto const size = parse_size(argument.value);
    if (!size || *size < base::kPageSize)
        return false;
    options.shadow_limit = *size;
    return true;
}

bool apply_debug_exit(Argument const& argument, Options& options) {
    auto const port = parse_number(argument.value);
    if (!port || *port == 0 || *port > 0xffff)
        return false;
    options.debug_exit = static_cast<std::uint16_t>(*port);
    return true;
}

// --- the options -----------------------------------------------------------------------------------------------------

constexpr std::array kOptions{
    Option{"console", apply_console, "where the log goes: a list of com1, vga, none"},
    Option{"com1", apply_com1, "serial line: <baud>[,8n1[,<port>[,<irq>]]]"},
    Option{"loglvl", apply_level<&Options::log>, "what is logged: none, error, warning, info, debug or all"},
    Option{"guest_loglvl", apply_level<&Options::guest_log>, "the same, for what guests cause"},
    Option{"dom0_mem", apply_dom0_memory, "dom0's memory: [<size>][,min:<size>][,max:<size>]"},
    Option{"dom0_max_vcpus", apply_dom0_vcpus, "dom0's virtual CPUs: <n>, or <min>-<max>"},
    Option{"mem", apply_memory_limit, "use no RAM above this address"},
    Option{"maxcpus", apply_max_cpus, "start at most so many CPUs"},
    Option{"shadow-pool", apply_shadow_pool, "memory that the shadows of each domain may take, for tests: <size>"},
    Option{"noreboot", apply_flag<&Options::reboot, false>, "halt where the machine would be reset"},
    Option{"debug-exit", apply_debug_exit, "I/O port of QEMU's isa-debug-exit, with which a test ends"},
    Option{"smep", apply_flag<&Options::smep>, "use SMEP if the CPU has it"},
    Option{"smap", apply_flag<&Options::smap>, "use SMAP if the CPU has it"},
    Option{"umip", apply_flag<&Options::umip>, "use UMIP if the CPU has it"},
    Option{"pcid", apply_flag<&Options::pcid>, "use PCIDs if the CPU has them"},
    Option{"x2apic", apply_flag<&Options::x2apic>, "use x2APIC mode if the CPU has it"},
    Option{"tdt", apply_flag<&Options::tsc_deadline>, "use the TSC deadline timer if the CPU has it"},
    Option{"xsave", apply_flag<&Options::xsave>, "let guests use XSAVE if the CPU has it"},
};

/// Xen's, and without meaning here: they steer what Tern does not have, or always does. `placeholder` is what Debian's
/// GRUB writes in the place of a first option.
constexpr std::string_view kUnneeded =
    "acpi acpi_apic_instance acpi_sleep allow_unsafe apic apic_verbosity asid async-show-all ats badpage "
    "bootscrub bootscrub_chunk bti cet clocksource cmci-threshold com2 conring_size console_timestamps "
    "console_to_ring cpufreq cpuid cpuid_mask_cpu cpuidle crashkernel credit2_balance_over debugtrace dma_bits "
    "dom0 dom0-iommu dom0_nodes dom0_vcpus_pin e820-verbose edd edid efi ept extra_guest_irqs flask gdb gnttab "
    "gnttab_max_frames gnttab_max_maptrack_frames hap hardware_dom highmem-start hpet invpcid ioapic_ack iommu "
    "low_crashinfo max_cstate mce mmcfg nmi no-real-mode numa placeholder pv pv-l1tf pv-linear-pt reboot sched "
    "smt spec-ctrl sync_console ucode vga watchdog watchdog_timeout xpti";

bool unneeded(std::string_view name) {
    for (auto rest = kUnneeded; !rest.empty();) {
        auto const word = take_word(rest);
        if (name == word || (name.starts_with("no-") && name.ends_with(word) && name.size() == word.size() + 3))
            return true;
    }
    return false;
}

/// Applies one word; what is wrong with it, if anything.
std::optional<OptionComplaint::Kind> apply_word(std::string_view word, Options& options) {
    Argument argument;
    argument.value = word;
    auto name = take_until(argument.value, '=');
    argument.has_value = name.size() != word.size();
    if (unneeded(name))
        return OptionComplaint::Kind::unneeded;

    argument.negated = take_prefix(name, "no-");
    auto const option =
        std::find_if(kOptions.begin(), kOptions.end(), [&](auto const& one) { return one.name == name; });
    if (option == kOptions.end())
        return OptionComplaint::Kind::unknown;
    if (!option->apply(argument, options))
        return OptionComplaint::Kind::bad_value;
    return std::nullopt;
}

} // namespace

CommandLine parse_command_line(std::string_view text) {
    CommandLine line;
    for (auto word = take_word(text); !word.empty(); word = take_word(text)) {
        if (word == "--") {
            while (!text.empty() && text.front() == ' ')
                text.remove_prefix(1);
            line.guest = text;
            break;
        }
        if (auto const wrong = apply_word(word, line.options))
            (void)line.complaints.push_back({*wrong, word}); // the first ones are enough
    }
    return line;
}

std::size_t option_count() { return kOptions.size(); }

OptionHelp option_help(std::size_t index) {
    ASSERT(index < kOptions.size());
    return {kOptions[index].name, kOptions[index].help};
}

} // namespace boot
