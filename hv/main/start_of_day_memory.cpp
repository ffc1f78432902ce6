/// Which RAM is whose, and the translations.
#include <array>
#include <cstring>
#include <memory>

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "domain/system.hpp"
#include "mm/gfn_map.hpp"
#include "panic.hpp"
#include "start_of_day_steps.hpp"
#include "x86/address_map.hpp"
#include "x86/address_space.hpp"
#include "x86/cpu_start.hpp"
#include "x86/cpuid.hpp"
#include "x86/features.hpp"
#include "x86/interrupts.hpp"

namespace {

constexpr std::uint64_t kLargeFrames = base::kTableEntries; ///< frames of a large page
constexpr std::uint64_t kLargePage = kLargeFrames * base::kPageSize;
constexpr base::Mfn kLowEnd{std::uint64_t{1} << 20}; ///< 4 GiB

base::Mfn trampoline;

boot::FrameRange image_frames() {
    auto const image = x86::image_extent();
    return boot::frames_around(image.start, image.end);
}

base::FixedVector<boot::FrameRange, 16> frames_in_use(Machine const& machine) {
    base::FixedVector<boot::FrameRange, 16> used;
    bool fits = used.push_back(image_frames()) && used.push_back(machine.boot_information);
    for (auto const& module : machine.info.modules)
        fits = fits && used.push_back(boot::frames_around(module.start, module.end));
    ASSERT(fits);
    return used;
}

base::Mfn take_frames(Machine& machine, std::uint64_t count, base::Mfn below) {
    auto const frames = machine.memory.allocate(count, count, below);
    if (!frames.ok())
        panic("too little memory to start");
    return frames.value();
}

base::Mfn take_zeroed_frame(Machine& machine, base::Mfn below) {
    auto const frame = take_frames(machine, 1, below);
    std::memset(arch::direct_map(frame), 0, base::kPageSize);
    return frame;
}

/// Maps RAM where everyone finds it; what is read-only of the image is so here too.
void map_directly(x86::PageTableBuilder& pattern, Machine const& machine) {
    auto const image = x86::image_extent();
    auto const map = [&](base::Maddr start, base::Maddr end, x86::Rights rights) {
        if (start < end)
            pattern.map(x86::kDirectMap + start.raw(), start, end - start, rights);
    };
    machine.memory_map.for_each_ram([&](boot::FrameRange const& frames) {
        base::Maddr const start = address_of(frames.first);
        base::Maddr const end = address_of(frames.end);
        if (image.read_only_end <= start || end <= image.read_only_start)
            return map(start, end, x86::Rights::write);
        map(start, image.read_only_start, x86::Rights::write);
        map(image.read_only_start, image.read_only_end, x86::Rights::read);
        map(image.read_only_end, end, x86::Rights::write);
    });
    // What we need and the map does not call RAM: a page that it calls so in part, for instance.
    auto const map_rest = [&](boot::FrameRange const& frames) {
        for (base::Mfn frame = frames.first; frame < frames.end; ++frame)
            if (!machine.memory_map.is_ram({frame, frame + 1}))
                map(address_of(frame), address_of(frame + 1), x86::Rights::write);
    };
    map_rest({trampoline, trampoline + 1});
    map_rest(machine.boot_information);
    for (auto const& module : machine.info.modules)
        map_rest(boot::frames_around(module.start, module.end));
}

void map_frame_table(x86::PageTableBuilder& pattern, Machine& machine) {
    auto const count = machine.memory.end().raw();
    auto const bytes = count * sizeof(mm::FrameInfo);
    for (std::uint64_t done = 0; done < bytes; done += kLargePage) {
        base::Maddr const memory = address_of(take_frames(machine, kLargeFrames, base::Mfn{}));
        pattern.map(x86::kFrameTable + done, memory, kLargePage, x86::Rights::write);
    }
    machine.frames = {reinterpret_cast<mm::FrameInfo*>(x86::kFrameTable.raw()), count};
}

x86::Features allowed_features(boot::Options const& options) {
    return {.smep = options.smep,
            .smap = options.smap,
            .umip = options.umip,
            .pcid = options.pcid,
            .xsave = options.xsave,
            .x2apic = options.x2apic,
            .tsc_deadline = options.tsc_deadline};
}

std::uint32_t boot_apic_id() { return x86::features().x2apic ? x86::cpuid(0xb).edx : x86::cpuid(1).ebx >> 24; }

} // namespace

void claim_memory(Machine& machine) {
    auto& map = machine.memory_map;
    constexpr base::Maddr kReach{x86::kDirectMapEnd - x86::kDirectMap};
    if (address_of(map.end_of_ram()) > kReach) {
        console::warning("RAM above {} is out of reach, and not used", kReach);
        if (!map.clip(kReach).ok())
            panic("the memory map has too many pieces");
    }

    auto const used = frames_in_use(machine);
    auto const page =
        map.find_space({.limit = domain::kFirstMebibyteEnd, .avoid = used, .from = boot::SpaceRequest::From::top});
    if (!page.ok())
        panic("no page below 1 MiB to start other CPUs from");
    trampoline = page.value();

    bool all = true;
    map.for_each_ram([&](boot::FrameRange const& ram) {
        all = machine.memory.add({ram.first, ram.count()}).ok() && all;
    });
    for (auto const& range : used)
        all = machine.memory.reserve({range.first, range.count()}).ok() && all;
    all = machine.memory.reserve({base::Mfn{0}, domain::kFirstMebibyteEnd.raw()}).ok() && all;
    if (!all)
        console::warning("the memory map has too many pieces: some RAM is not used");
}

void build_translations(Machine& machine) {
    auto const low_frame = [&] { return take_low_frame(machine); };
    auto const large_frames = [&] { return take_frames(machine, kLargeFrames, base::Mfn{}); };

    x86::detect_features(allowed_features(machine.command_line.options));
    x86::patch_entry_paths();

    x86::PageTableBuilder pattern{low_frame(), low_frame, x86::features().gigabyte_pages ? 3U : 2U};
    x86::map_image(pattern);
    map_directly(pattern, machine);
    map_frame_table(pattern, machine);
    x86::map_machine_to_phys(pattern, machine.memory.end().raw(), large_frames);
    x86::map_identity(pattern, machine.memory.end().raw(), mm::kFirstSpecialGfn.raw(), large_frames);
    x86::seal_pattern(pattern.root());
    x86::prepare_cpu(base::CpuId{0}, boot_apic_id(), low_frame);
}

void initialise_tables(Machine& machine) {
    std::uninitialized_value_construct_n(machine.frames.data(), machine.frames.size());
    x86::clear_machine_to_phys();
    x86::fill_identity();
}

base::Mfn trampoline_frame() { return trampoline; }
base::Mfn take_frame(Machine& machine) { return take_zeroed_frame(machine, base::Mfn{}); }
base::Mfn take_low_frame(Machine& machine) { return take_zeroed_frame(machine, kLowEnd); }
