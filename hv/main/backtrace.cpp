#include "backtrace.hpp"

#include <algorithm>
#include <span>

#include "console/global.hpp"
#include "x86/address_map.hpp"

extern "C" {
extern char const image_text[], image_rodata[];
extern std::uint32_t const image_symbols[];
}

namespace {

/// The table: a count n, n rising addresses (from the image's offset on), n places of names, the names, each after a
/// byte with its length.
struct Symbols {
    std::span<std::uint32_t const> addresses;
    std::uint32_t const* places;
    char const* names;
};

Symbols symbols() {
    auto const count = image_symbols[0];
    auto const* const addresses = image_symbols + 1;
    return {{addresses, count}, addresses + count, reinterpret_cast<char const*>(addresses + 2 * count)};
}

bool is_code(std::uint64_t address) {
    return address >= reinterpret_cast<std::uint64_t>(image_text) &&
           address < reinterpret_cast<std::uint64_t>(image_rodata);
}

/// Frame pointers are believed if they are on some stack of ours, and rise.
bool is_stack(std::uint64_t address) {
    return address >= x86::kImage.raw() && address < x86::kCpuArea.raw() + 64 * base::kPageSize && address % 8 == 0;
}

void print_one(std::uint64_t address) { console::always("    {:016x} {}", address, symbol_at(address)); }

} // namespace

std::string_view symbol_at(std::uint64_t address) {
    if (!is_code(address))
        return "?";
    auto const table = symbols();
    auto const wanted = static_cast<std::uint32_t>(address - x86::kImage.raw());
    auto const after = std::upper_bound(table.addresses.begin(), table.addresses.end(), wanted);
    if (after == table.addresses.begin())
        return "?";
    char const* const name = table.names + table.places[after - table.addresses.begin() - 1];
    return {name + 1, static_cast<unsigned char>(*name)};
}

void print_backtrace(arch::Registers const* frame) {
    constexpr unsigned kDeepest = 32;
    std::uint64_t rbp = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
    console::always("  backtrace:");
    if (frame != nullptr && (frame->cs & 3) == 0) {
        print_one(frame->rip);
        rbp = frame->rbp;
    }
    for (unsigned depth = 0; depth < kDeepest && is_stack(rbp); ++depth) {
        auto const* const saved = reinterpret_cast<std::uint64_t const*>(rbp); // the caller's RBP, and where it goes on
        if (!is_code(saved[1]))
            return;
        print_one(saved[1]);
        if (saved[0] <= rbp)
            return;
        rbp = saved[0];
    }
}
