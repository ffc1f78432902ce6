#include "x86/address_space.hpp"

#include <cstring>

#include "arch/cpu.hpp"
#include "base/assert.hpp"
#include "x86/control.hpp"
#include "x86/sealed.hpp"

/// By the linker script: whole pages each, in this order.
extern "C" {
extern char const image_start[], image_text[], image_rodata[], image_sealed[], image_data[], image_symbols[],
    image_end[];
}

namespace x86 {

namespace {

constexpr std::uint64_t kLargePage = base::kTableEntries * base::kPageSize;

alignas(base::kPageSize) std::byte const zeroes[base::kPageSize] = {};
alignas(base::kPageSize) std::uint64_t device_tables[3][base::kTableEntries]; ///< levels 3, 2 and 1 of slot 259
SEALED std::array<std::uint64_t, kHypervisorSlots> pattern_slots;
SEALED std::uint64_t machine_to_phys_entries = 0;
SEALED std::uint64_t identity_bytes = 0; ///< of those that are numbers
unsigned device_pages_used = 0;

void map_part(PageTableBuilder& pattern, char const* from, char const* to, Rights rights) {
    auto const start = reinterpret_cast<std::uint64_t>(from);
    pattern.map(base::Vaddr{start}, image_maddr(from), reinterpret_cast<std::uint64_t>(to) - start, rights);
}

std::uint64_t table_entry(std::uint64_t const* table) {
    return PageTableBuilder::table_entry(frame_of(image_maddr(table)));
}

} // namespace

void map_image(PageTableBuilder& pattern) {
    map_part(pattern, image_text, image_rodata, Rights::execute);
    map_part(pattern, image_rodata, image_data, Rights::read);
    map_part(pattern, image_data, image_symbols, Rights::write);
    map_part(pattern, image_symbols, image_end, Rights::read);

    pattern.entry(kDevices, 4) = table_entry(device_tables[0]);
    device_tables[0][0] = table_entry(device_tables[1]);
    device_tables[1][0] = table_entry(device_tables[2]);
}

void unmap_image(char const* from, char const* to) {
    for (char const* page = from; page < to; page += base::kPageSize) {
        base::Vaddr const address{reinterpret_cast<std::uint64_t>(page)};
        base::Mfn table = frame_in(pattern_image_slot()); // each CPU gets a copy of it, but shares what is below
        for (unsigned level = 3; level > 1; --level) {
            auto const entry = arch::frame_as<std::uint64_t const>(table)[base::table_index(address, level)];
            ASSERT((entry & kPresent) != 0 && (entry & kLarge) == 0);
            table = frame_in(entry);
        }
        arch::frame_as<std::uint64_t>(table)[base::table_index(address, 1)] = 0;
        invlpg(address);
    }
}

void map_machine_to_phys(PageTableBuilder& pattern, std::uint64_t entries, LargeFrameSource take_large) {
    machine_to_phys_entries = entries;
    for (std::uint64_t done = 0; done < entries * sizeof(std::uint64_t); done += kLargePage) {
        base::Mfn const frames = take_large();
        pattern.map(kMachineToPhys + done, address_of(frames), kLargePage, Rights::write);
        pattern.map(kGuestMachineToPhys + done, address_of(frames), kLargePage, Rights::guest_read);
    }
}

void clear_machine_to_phys() {
    auto const table = arch::machine_to_phys();
    auto const bytes = (table.size_bytes() + kLargePage - 1) & ~(kLargePage - 1);
    std::memset(table.data(), 0xff, bytes);
}

void map_identity(PageTableBuilder& pattern, std::uint64_t frames, std::uint64_t length, LargeFrameSource take_large) {
    identity_bytes = (frames * sizeof(std::uint64_t) + kLargePage - 1) & ~(kLargePage - 1);
    base::Mfn const nothing = take_large();
    for (std::uint64_t done = 0; done < length * sizeof(std::uint64_t); done += kLargePage)
        pattern.map(kIdentity + done, address_of(done < identity_bytes ? take_large() : nothing), kLargePage,
                    Rights::guest_read);
}

namespace {

/// The first frame of the identity table's large page that has its octet @p offset.
base::Mfn identity_large_frame(std::uint64_t offset) {
    base::Vaddr const address = kIdentity + offset;
    auto const* const directory = arch::frame_as<std::uint64_t const>(frame_in(identity_slot()));
    auto const* const table = arch::frame_as<std::uint64_t const>(frame_in(directory[base::table_index(address, 3)]));
    return frame_in(table[base::table_index(address, 2)]);
}

} // namespace

void fill_identity() {
    std::uint64_t number = 0;
    for (std::uint64_t done = 0; done <= identity_bytes; done += kLargePage) {
        auto* const words = arch::frame_as<std::uint64_t>(identity_large_frame(done));
        for (std::uint64_t i = 0; i < kLargePage / sizeof(std::uint64_t); ++i)
            words[i] = done < identity_bytes ? number++ : ~std::uint64_t{0}; // the page of nothing comes after them
    }
}

base::Mfn identity_frame(std::uint64_t index) {
    if (index >= identity_bytes >> base::kPageShift)
        return {};
    return identity_large_frame(index << base::kPageShift) + index % (kLargePage >> base::kPageShift);
}

base::Mfn empty_page() { return frame_of(image_maddr(zeroes)); }

ImageExtent image_extent() {
    return {image_maddr(image_start), image_maddr(image_end), image_maddr(image_start), image_maddr(image_data)};
}

void seal_pattern(base::Mfn root) {
    auto const* const entries = arch::frame_as<std::uint64_t const>(root);
    for (unsigned i = 0; i < kHypervisorSlots; ++i)
        pattern_slots[i] = entries[kFirstHypervisorSlot + i];
}

void fill_hypervisor_slots(base::Mfn root, std::uint64_t own_slot) {
    auto* const entries = arch::frame_as<std::uint64_t>(root) + kFirstHypervisorSlot;
    std::memcpy(entries, pattern_slots.data(), sizeof pattern_slots);
    entries[kImageSlot - kFirstHypervisorSlot] = own_slot;
    entries[kMachineToPhysSlot - kFirstHypervisorSlot] = 0;
    entries[kIdentitySlot - kFirstHypervisorSlot] = 0;
}

std::uint64_t machine_to_phys_slot() { return pattern_slots[kMachineToPhysSlot - kFirstHypervisorSlot]; }

std::uint64_t identity_slot() { return pattern_slots[kIdentitySlot - kFirstHypervisorSlot]; }

std::uint64_t pattern_image_slot() { return pattern_slots[kImageSlot - kFirstHypervisorSlot]; }

void copy_image_directory(base::Mfn into) {
    std::memcpy(arch::direct_map(into), arch::direct_map(frame_in(pattern_image_slot())), base::kPageSize);
}

void volatile* map_device(base::Maddr at, std::uint64_t bytes) {
    auto const pages = static_cast<unsigned>(base::frames_for(at.offset() + bytes));
    ASSERT(device_pages_used + pages <= base::kTableEntries);
    base::Vaddr const window = kDevices + device_pages_used * base::kPageSize;
    for (unsigned i = 0; i < pages; ++i)
        device_tables[2][device_pages_used++] = make_entry(frame_of(at) + i, Rights::device);
    // Nothing was there: no CPU has cached anything to be flushed.
    return reinterpret_cast<void volatile*>(window.raw() + at.offset());
}

} // namespace x86

namespace arch {

std::span<std::uint64_t> machine_to_phys() {
    return {reinterpret_cast<std::uint64_t*>(x86::kMachineToPhys.raw()), x86::machine_to_phys_entries};
}

} // namespace arch
