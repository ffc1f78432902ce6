#include "arch/devices.hpp"

#include <array>

#include "base/fixed_vector.hpp"
#include "x86/address_space.hpp"
#include "x86/cpu_start.hpp"
#include "x86/io_apic.hpp"
#include "x86/vectors.hpp"

namespace arch {
namespace {

static_assert(kFirstDeviceVector == x86::kFirstDevice && kLastDeviceVector == x86::kLastDevice &&
              kNoDeviceVector == x86::kLegacySystemCall);

/// What I/O APICs, and messages without interrupt remapping, can name: 8 bits.
std::uint32_t narrow_apic_id(base::CpuId cpu) {
    auto const id = x86::apic_id_of(cpu);
    return id <= 0xff ? id : x86::apic_id_of(base::CpuId{0});
}

/// A page of a device's registers, mapped once and for good: there are few of them.
struct DevicePage {
    base::Mfn frame;
    std::uint8_t volatile* window = nullptr;
};
base::FixedVector<DevicePage, 256> device_pages;

std::uint8_t volatile* window_of(base::Mfn frame) {
    for (auto const& one : device_pages)
        if (one.frame == frame)
            return one.window;
    if (device_pages.full())
        return nullptr;
    auto* const window = static_cast<std::uint8_t volatile*>(x86::map_device(address_of(frame), base::kPageSize));
    static_cast<void>(device_pages.push_back({frame, window}));
    return window;
}

std::array<std::uint32_t, base::kMaxCpus> acpi_ids{};

} // namespace

FirmwareId firmware_id(base::CpuId cpu) { return {.apic_id = x86::apic_id_of(cpu), .acpi_id = acpi_ids[cpu.raw()]}; }

bool has_line(std::uint32_t gsi) { return x86::has_gsi(gsi); }
std::uint32_t line_count() { return x86::end_of_gsis(); }

void route_line(std::uint32_t gsi, Destination const& to, LineMode mode) {
    static_cast<void>(x86::route(gsi, {.vector = to.vector,
                                       .apic_id = narrow_apic_id(to.cpu),
                                       .polarity = mode.low ? x86::Polarity::low : x86::Polarity::high,
                                       .trigger = mode.level ? x86::Trigger::level : x86::Trigger::edge,
                                       .masked = true}));
}

void mask_line(std::uint32_t gsi) { x86::mask(gsi); }
void unmask_line(std::uint32_t gsi) { x86::unmask(gsi); }

std::optional<std::uint32_t> read_io_apic(base::Maddr at, std::uint32_t which) { return x86::read_io_apic(at, which); }

Message message_for(Destination const& to) {
    constexpr std::uint64_t kLocalApics = 0xfee0'0000;
    return {.address = kLocalApics | std::uint64_t{narrow_apic_id(to.cpu)} << 12, .data = to.vector};
}

bool write_device(base::Maddr at, std::uint32_t value) {
    auto* const window = window_of(frame_of(at));
    if (window == nullptr)
        return false;
    *reinterpret_cast<std::uint32_t volatile*>(window + at.offset()) = value;
    return true;
}

} // namespace arch

void x86::set_acpi_id(base::CpuId cpu, std::uint32_t acpi_id) { arch::acpi_ids[cpu.raw()] = acpi_id; }
