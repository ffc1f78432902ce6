/// Ports and debug registers by chance: what dom0 may reach and what is kept from it, in every width.
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

// --- ports -------------------------------------------------------------------------------------------------------------

/// dom0 has the machine's devices: it can end the machine through some of them, which proves nothing. Those are read only.
struct Range {
    std::uint16_t first, last;
    char const* why;
};
constexpr Range kNotWritten[] = {
    {0x00, 0x0f, "DMA: writes to any memory"},
    {0x60, 0x64, "the keyboard's controller: resets"},
    {0x81, 0x92, "DMA, and a reset"},
    {0xb2, 0xb3, "the firmware's system management"},
    {0xc0, 0xdf, "DMA"},
    {0xf4, 0xf7, "QEMU's debug-exit"},
    {0x3f0, 0x3ff, "the floppy's DMA; the serial line, on which the report goes out"},
    {0x510, 0x51f, "QEMU's firmware configuration: DMA"},
    {0x600, 0x6ff, "power, watchdog (Q35)"},
    {0xae00, 0xb0ff, "hot plug, power (PIIX)"},
    {0xcc0, 0xcff, "hot plug; configuration space, which moves memory; reset"},
    {0xc000, 0xffff, "PCI devices, which write to memory"},
};

bool may_write(std::uint64_t port, unsigned bytes) {
    for (Range const& range : kNotWritten)
        if (port + bytes > range.first && port <= range.last)
            return false;
    return port + bytes <= 0x10000;
}

std::uint16_t any_port(Dice& dice) {
    constexpr std::uint16_t kKept[] = {0x20, 0x21, 0x40, 0x43, 0x61, 0x70, 0x71, 0xa0, 0xa1, 0x4d0, 0x4d1, 0xffff};
    if (dice.once_in(4))
        return dice.one_of(kKept);
    return static_cast<std::uint16_t>(dice.once_in(2) ? dice.below(0x1000) : dice.next());
}

std::uint64_t read_port(std::uint16_t port, unsigned bytes) {
    return bytes == 1 ? in<std::uint8_t>(port) : bytes == 2 ? in<std::uint16_t>(port) : in<std::uint32_t>(port);
}

void write_port(std::uint16_t port, unsigned bytes, std::uint64_t value) {
    if (bytes == 1)
        out(port, static_cast<std::uint8_t>(value));
    else if (bytes == 2)
        out(port, static_cast<std::uint16_t>(value));
    else
        out(port, static_cast<std::uint32_t>(value));
}

// --- debug registers ---------------------------------------------------------------------------------------------------

/// #DB is what is asked for.
class BreakpointsIgnored {
  public:
    BreakpointsIgnored() : before_{set_handler(ignore)} {}
    ~BreakpointsIgnored() {
        set_debugreg(7, 0);
        for (unsigned i = 0; i < 4; ++i)
            set_debugreg(i, 0);
        set_debugreg(6, 0);
        set_handler(before_);
    }
    BreakpointsIgnored(BreakpointsIgnored const&) = delete;
    BreakpointsIgnored& operator=(BreakpointsIgnored const&) = delete;

  private:
    static bool ignore(Trap& trap) {
        trap.rflags |= kResumeFlag; // one on an instruction would come again
        return trap.vector == kDebug;
    }
    Handler before_;
};

} // namespace

TEST("ports by chance, in every width: what is kept from dom0 does nothing, and time goes on") {
    Dice dice{0x9087};
    physdev_set_iopl_t const ports{.iopl = 1};
    CHECK_EQ(physdev(PHYSDEVOP_set_iopl, const_cast<physdev_set_iopl_t*>(&ports)), 0);
    unsigned written = 0;
    for (unsigned i = 0; i < 4000; ++i) {
        std::uint16_t const port = any_port(dice);
        unsigned const bytes = 1U << dice.below(3);
        bool const writes = dice.once_in(2) && may_write(port, bytes);
        std::uint64_t const value = dice.next();
        Caught const trap = trap_of([&] {
            if (writes)
                write_port(port, bytes, value);
            else
                read_port(port, bytes);
        });
        if (trap.vector != kNoTrap && trap.vector != kGeneralProtection)
            return fail(__FILE_NAME__, __LINE__, "done, or refused", trap.vector, port);
        written += writes;
    }
    CHECK(written > 500);
    close_ports();
    std::uint64_t const before = now();
    vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = before + kMillisecond, .flags = 0};
    auto const port = static_cast<Port>(bind_virq(VIRQ_TIMER));
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &alarm), 0);
    CHECK_EQ(poll(&port, 1, before + 1000 * kMillisecond), 0);
    CHECK(is_pending(port));
    CHECK_EQ(close(port), 0);
    check_sanity();
}

TEST("ports of strings, to and from where memory ends") {
    Dice dice{0x1257};
    Window const& window = sandbox().window();
    Page const page = fresh_page();
    CHECK_EQ(window.set(12, entry(page.frame(), kWritable)), 0);
    for (unsigned i = 0; i < 500; ++i) {
        auto* const place =
            reinterpret_cast<void*>(dice.once_in(4) ? sandbox().address(dice) | 2048 : window.va(13) - dice.below(64));
        auto const port = static_cast<std::uint16_t>(dice.once_in(2) ? 0x80 : 0x21);
        Caught const trap = trap_of([&] {
            switch (dice.below(4)) {
            case 0: rep_insb(port, place, dice.below(100)); break;
            case 1: rep_insw_backwards(port, place, dice.below(100)); break;
            case 2: insl(port, place); break;
            default: rep_outsb(0x80, place, dice.below(100));
            }
        });
        if (trap.vector != kNoTrap && trap.vector != kPageFault && trap.vector != kGeneralProtection)
            return fail(__FILE_NAME__, __LINE__, "done, or refused", trap.vector, kPageFault);
    }
    CHECK_EQ(window.set(12, 0), 0);
    check_sanity();
}

TEST("no breakpoint on an address of the hypervisor's") {
    for (unsigned i = 0; i < 4; ++i) {
        for (std::uint64_t const address :
             {kHypervisor, std::uint64_t{0xffff'8000'0000'0000}, std::uint64_t{0xffff'82d0'8000'0000},
              std::uint64_t{0xffff'82d0'c000'0000}, std::uint64_t{0xffff'87ff'ffff'fff8}, kNotCanonical})
            CHECK_EQ(set_debugreg(i, address), kEPERM);
        CHECK_EQ(get_debugreg(i), 0);
    }
}

TEST("breakpoints by chance, on all that the hypervisor writes and reads for the guest") {
    Dice dice{0xdeb};
    BreakpointsIgnored const ignored;
    std::uint64_t const watched[] = {word(sandbox().scratch()),        word(sandbox().scratch()) + 2048,
                                     sandbox().window().va(0),         word(this_vcpu().info),
                                     this_vcpu().trap_stack_top() - 8, word(&shared().evtchn_pending)};
    unsigned enabled = 0;
    for (unsigned i = 0; i < 1000; ++i) {
        for (unsigned number = 0; number < 4; ++number)
            set_debugreg(number, dice.once_in(4) ? sandbox().number(dice) : dice.one_of(watched));
        // Watches, rather than breakpoints on instructions: bits 16 and 17 of each field of four.
        enabled += set_debugreg(7, dice.once_in(4) ? dice.next() : 0x1111'00ff | dice.next() % 0xffff << 16) == 0;
        set_debugreg(6, dice.next());
        xen_extraversion_t* const text = reinterpret_cast<xen_extraversion_t*>(sandbox().scratch() + 256);
        xen_version(XENVER_extraversion, text);
        CHECK_EQ(trap_of([] { ud2(); }).vector, kInvalidOpcode);
    }
    CHECK(enabled > 100);
}
