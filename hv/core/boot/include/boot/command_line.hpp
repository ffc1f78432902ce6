/// The hypervisor's own options. Spellings are Xen's wherever Xen has the option, so that a GRUB entry written for Xen
/// works: what Tern does not need is accepted with a note, what nobody knows is reported and ignored, and a value that
/// makes no sense is reported and leaves the default.
///
///     auto const [options, complaints, rest] = boot::parse_command_line(info.command_line);
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "boot/dom0_options.hpp"

namespace boot {

/// What a log line is about; a log of level L shows those up to L.
enum class LogLevel : std::uint8_t { none, error, warning, info, debug };

/// The first serial line: `com1=115200,8n1,0x3f8,4`; all but the speed may be missing.
struct SerialPort {
    std::uint32_t baud = 115200; ///< 0: `auto`, as the firmware left it
    std::uint8_t data_bits = 8;
    char parity = 'n'; ///< n, o, e, m or s
    std::uint8_t stop_bits = 1;
    std::uint16_t port = 0x3f8;
    std::uint8_t irq = 4;
};

struct Options {
    bool serial_console = true; ///< console=
    bool vga_console = false;
    SerialPort com1;
    LogLevel log = LogLevel::info;
    LogLevel guest_log = LogLevel::info; ///< for what guests cause and may cause often
    Dom0Memory dom0_memory;
    Dom0Vcpus dom0_vcpus;
    std::optional<base::Maddr> memory_limit; ///< mem=: RAM from here on is not used
    std::uint32_t max_cpus = ~std::uint32_t{0};
    std::uint64_t shadow_limit = 0; ///< shadow-pool=: bytes that each domain's shadows may take; 0: by its memory
    bool reboot = true;             ///< after a panic, or when dom0 asks; noreboot: halt instead
    std::optional<std::uint16_t> debug_exit; ///< port of QEMU's isa-debug-exit: how a test machine ends
    bool smep = true;                        ///< these are used where the CPU has them
    bool smap = true;
    bool umip = true;
    bool pcid = true;
    bool x2apic = true;
    bool tsc_deadline = true;
    bool xsave = true;
};

struct OptionComplaint {
    enum class Kind : std::uint8_t {
        unknown,   ///< no such option
        bad_value, ///< the default stays
        unneeded,  ///< one of Xen's that has no meaning here
    };
    Kind kind = Kind::unknown;
    std::string_view word; ///< as written
};

struct CommandLine {
    Options options;
    base::FixedVector<OptionComplaint, 32> complaints; ///< the first ones
    std::string_view guest;                            ///< what follows a lone `--`: it is for dom0's command line
};

/// Reads @p text: words separated by blanks. A later option overrides an earlier one. The complaints and the guest's
/// part point into @p text.
CommandLine parse_command_line(std::string_view text);

/// One line of the list of options, for documentation.
struct OptionHelp {
    std::string_view name;
    std::string_view help;
};
std::size_t option_count();
OptionHelp option_help(std::size_t index);

} // namespace boot
