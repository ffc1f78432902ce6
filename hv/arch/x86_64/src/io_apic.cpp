#include "x86/io_apic.hpp"

#include <algorithm>

#include "base/fixed_vector.hpp"
#include "x86/address_space.hpp"

namespace x86 {

namespace {

/// One I/O APIC: registers behind a selector and a window (82093AA data sheet, §3).
struct IoApic {
    base::Maddr at;
    std::uint32_t volatile* registers = nullptr;
    std::uint32_t first_gsi = 0;
    std::uint32_t lines = 0;

    [[nodiscard]] std::uint32_t read(std::uint32_t which) const {
        registers[0] = which;
        return registers[4];
    }
    void write(std::uint32_t which, std::uint32_t value) const {
        registers[0] = which;
        registers[4] = value;
    }
};

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kMaskedLine = 1U << 16;
constexpr std::uint32_t low_word(std::uint32_t line) { return 0x10 + 2 * line; }
constexpr std::uint32_t high_word(std::uint32_t line) { return 0x11 + 2 * line; }

base::FixedVector<IoApic, 16> io_apics;

IoApic const* find(std::uint32_t gsi) {
    for (auto const& one : io_apics)
        if (gsi >= one.first_gsi && gsi - one.first_gsi < one.lines)
            return &one;
    return nullptr;
}

} // namespace

bool add_io_apic(base::Maddr at, std::uint32_t first_gsi) {
    if (io_apics.full())
        return false;
    auto* const registers = const_cast<void*>(map_device(at, 0x20));
    IoApic one{at, static_cast<std::uint32_t volatile*>(registers), first_gsi, 0};
    auto const version = one.read(kVersion);
    if (version == ~std::uint32_t{0})
        return false;
    one.lines = (version >> 16 & 0xff) + 1;
    for (std::uint32_t line = 0; line < one.lines; ++line)
        one.write(low_word(line), kMaskedLine);
    return io_apics.push_back(one);
}

bool route(std::uint32_t gsi, Route const& route) {
    auto const* const one = find(gsi);
    if (one == nullptr || route.apic_id > 0xff)
        return false;
    auto const line = gsi - one->first_gsi;
    one->write(low_word(line), kMaskedLine); // not half old, half new
    one->write(high_word(line), route.apic_id << 24);
    one->write(low_word(line), route.vector | (route.polarity == Polarity::low ? 1U << 13 : 0) |
                                   (route.trigger == Trigger::level ? 1U << 15 : 0) | (route.masked ? kMaskedLine : 0));
    return true;
}

void mask(std::uint32_t gsi) {
    if (auto const* const one = find(gsi); one != nullptr) {
        auto const word = low_word(gsi - one->first_gsi);
        one->write(word, one->read(word) | kMaskedLine);
    }
}

void unmask(std::uint32_t gsi) {
    if (auto const* const one = find(gsi); one != nullptr) {
        auto const word = low_word(gsi - one->first_gsi);
        one->write(word, one->read(word) & ~kMaskedLine);
    }
}

bool has_gsi(std::uint32_t gsi) { return find(gsi) != nullptr; }

std::uint32_t end_of_gsis() {
    std::uint32_t end = 0;
    for (auto const& one : io_apics)
        end = std::max(end, one.first_gsi + one.lines);
    return end;
}

std::optional<std::uint32_t> read_io_apic(base::Maddr at, std::uint32_t which) {
    for (auto const& one : io_apics)
        if (one.at == at)
            return one.read(which);
    return std::nullopt;
}

} // namespace x86
