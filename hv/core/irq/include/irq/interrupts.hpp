/// Physical interrupts: which domain's event channel each raises (docs/abi.md §5.5).
///
///     device --line (GSI)--> I/O APIC --vector--> CPU --> Line --pirq, port--> event channel of its owner
///            --message (MSI, MSI-X)--vector-----> CPU --> ...
///
/// A domain knows an interrupt by its *pirq*: of a line, the GSI's own number; of a message, one above all lines.
/// A Line is in use from map to unmap; it interrupts from connect to disconnect.
///
/// Edges and messages are never held back. A level-triggered line is masked when it interrupts, until its owner says
/// that the device has been served (end_of_interrupt()): so a line that stays up cannot hold a CPU.
///
/// One vector means the same line on all CPUs: at most 191 interrupts in use, which is enough for what dom0 drives here.
/// (With a vector space for each CPU there could be more.)
///
/// Any CPU may call anything. Event tables' locks are not taken under the one here.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "arch/devices.hpp"
#include "base/lock.hpp"
#include "base/result.hpp"
#include "events/event_table.hpp"
#include "irq/msi.hpp"
#include "irq/pci.hpp"

namespace irq {

/// A physical interrupt, as its domain numbers it.
using Pirq = std::uint32_t;
inline constexpr Pirq kLines = 256;  ///< pirqs below are GSIs
inline constexpr Pirq kPirqs = 1024; ///< what start of day tells dom0 (nr_pirqs)

/// Flags in a domain's memory, a bit a pirq. The domain may write them, too: they are never read here.
using EndWords = std::span<std::atomic<std::uint64_t>, kPirqs / 64>;

class Interrupts {
  public:
    explicit Interrupts(PciConfig& pci) : pci_{pci} {}
    Interrupts(Interrupts const&) = delete;
    Interrupts& operator=(Interrupts const&) = delete;

    // --- start of day ----------------------------------------------------------------------------------------------------

    /// How @p gsi is driven, unless dom0 says otherwise. Without: an edge, active high, below 16; level and low above.
    void set_default_mode(std::uint32_t gsi, arch::LineMode mode);
    /// The line @p gsi is the hypervisor's own: nobody else can connect it.
    void keep(std::uint32_t gsi);

    // --- lines and messages ------------------------------------------------------------------------------------------------

    /// PHYSDEVOP_setup_gsi. `not_found`: no such line. Of no effect on a line that is connected.
    [[nodiscard]] base::Status set_mode(std::uint32_t gsi, arch::LineMode mode);

    /// Line @p gsi for @p owner, whose pirq is the same number; that it has it already is no error. `invalid`: no such
    /// line; `exists`: it is somebody else's; `no_space`: no vector is left.
    [[nodiscard]] base::Result<Pirq> map_line(events::EventTable& owner, std::uint32_t gsi);
    /// A message of a device's. Errors as of find_msi() and find_msix(), or `no_space`.
    [[nodiscard]] base::Result<Pirq> map_message(events::EventTable& owner, MessageSlot const& slot);
    /// Disconnects it, too. `invalid`: @p owner has no such pirq.
    [[nodiscard]] base::Status unmap(events::EventTable& owner, Pirq pirq);
    /// All of @p owner's: it is dying.
    void unmap_all(events::EventTable& owner);

    /// True for a pirq of @p owner's.
    [[nodiscard]] bool has(events::EventTable const& owner, Pirq pirq);
    /// From now on @p words, which must stay, tell @p owner what needs_end() would: a bit a pirq. Once only, for the one
    /// domain that drives devices.
    void publish_ends(events::EventTable& owner, EndWords words);
    /// Whether the owner must say when an interrupt has been served.
    [[nodiscard]] base::Result<bool> needs_end(events::EventTable const& owner, Pirq pirq);

    // --- interrupting ------------------------------------------------------------------------------------------------------

    /// From now on @p pirq raises @p port, to which the owner's table has bound it, on @p cpu. `invalid`: no such pirq;
    /// `busy`: the hypervisor keeps that line; `exists`: it raises another port.
    [[nodiscard]] base::Status connect(events::EventTable& owner, Pirq pirq, base::Port port, base::CpuId cpu);
    /// Nothing if it is not connected.
    void disconnect(events::EventTable& owner, Pirq pirq);
    /// Interrupt @p cpu from now on: where the vCPU is that @p pirq's port notifies.
    void move(events::EventTable& owner, Pirq pirq, base::CpuId cpu);

    /// Vector @p vector interrupted this CPU. Nothing, if nobody waits for it (any more).
    [[nodiscard]] std::optional<events::Notice> on_interrupt(std::uint32_t vector);
    /// The owner has served the device (PHYSDEVOP_eoi). The port that @p pirq raises, 0 if it is not connected.
    /// `invalid`: no such pirq.
    [[nodiscard]] base::Result<base::Port> end_of_interrupt(events::EventTable& owner, Pirq pirq);

  private:
    struct Line {
        events::EventTable* owner = nullptr; ///< null: not in use
        Pirq pirq = 0;
        std::optional<MessageSlot> message; ///< none: a line of an I/O APIC
        arch::LineMode mode;
        base::Port port{}; ///< 0: not connected
        base::CpuId cpu{};
        bool in_service = false; ///< level: masked until the owner has served it
        [[nodiscard]] bool needs_end() const { return !message && mode.level; }
        [[nodiscard]] bool connected() const { return port != base::Port{}; }
    };
    static constexpr std::uint32_t kVectors = arch::kLastDeviceVector - arch::kFirstDeviceVector + 1;
    struct Mode {
        std::optional<arch::LineMode> mode;
        bool kept = false;
    };

    // With the lock held:
    [[nodiscard]] Line* find(events::EventTable const& owner, Pirq pirq);
    [[nodiscard]] Line* find_line(std::uint32_t gsi);
    [[nodiscard]] Line* find_free();
    [[nodiscard]] std::optional<Pirq> free_message_number(events::EventTable const& owner);
    [[nodiscard]] arch::Destination destination(Line const& line) const;
    [[nodiscard]] arch::LineMode mode_of(std::uint32_t gsi) const;
    bool aim(Line const& line);
    void publish(Line const& line, bool needs_end);
    void silence(Line& line);
    void release(Line& line);

    PciConfig& pci_;
    base::SpinLock<base::LockRank::interrupts> lock_;
    std::array<Line, kVectors> lines_{}; ///< by vector
    std::array<Mode, kLines> modes_{};
    events::EventTable const* told_ = nullptr; ///< whose end_words_ they are; null: nobody's
    std::atomic<std::uint64_t>* end_words_ = nullptr;
};

} // namespace irq
