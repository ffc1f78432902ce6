/// Making a CPU's area and its two roots.
#include "x86/cpu_area.hpp"

#include <memory>

#include "x86/address_space.hpp"
#include "x86/cpu_start.hpp"
#include "x86/features.hpp"
#include "x86/roots.hpp"

extern "C" std::byte boot_cpu_pages[]; // boot.S: pages 1 and 2 of the boot CPU's area

namespace x86 {

namespace {

CpuFrames all_frames[base::kMaxCpus];

constexpr std::size_t kPortBytes = 65'536 / 8;
struct alignas(base::kPageSize) Ports {
    std::array<std::uint8_t, 3 * base::kPageSize> closed{};
    constexpr Ports() { closed.fill(0xff); }
};
static_assert(sizeof(Ports) == sizeof(CpuArea::ports) && sizeof(Ports) > kPortBytes);
constinit Ports ports;

/// Where the bitmap lies, as the task state segment has it.
std::uint64_t port_offset() {
    return reinterpret_cast<std::uint64_t>(&cpu_area.ports) - reinterpret_cast<std::uint64_t>(&cpu_area.entry.tss);
}

template <typename T> unsigned page_of(T const& part) {
    return static_cast<unsigned>((reinterpret_cast<std::uint64_t>(&part) - kCpuArea.raw()) / base::kPageSize);
}

template <typename Stack> void add_stack(std::uint64_t* table, Stack const& stack, TableSource take_frame) {
    for (unsigned i = 0; i < stack.size(); ++i)
        table[page_of(stack) + i] = make_entry(take_frame(), Rights::write);
}

template <typename Stack> std::uint64_t top_of(Stack const& stack) {
    return reinterpret_cast<std::uint64_t>(&stack) + sizeof(Stack);
}

void fill_tss(Tss& tss) {
    auto const set = [&](Ist ist, std::uint64_t top) { tss.ist[static_cast<unsigned>(ist) - 1] = top; };
    tss.rsp[0] = cpu_area.stack_top();
    set(Ist::nmi, top_of(cpu_area.nmi_stack));
    set(Ist::double_fault, top_of(cpu_area.double_fault_stack));
    set(Ist::machine_check, top_of(cpu_area.machine_check_stack));
    set(Ist::debug, top_of(cpu_area.debug_stack));
}

/// The slot of the image for this CPU alone: the image's tables, which all share, and the area's.
std::uint64_t make_own_slot(base::Mfn area_table, TableSource take_frame) {
    base::Mfn const directory = take_frame();
    copy_image_directory(directory);
    PageTableBuilder::link(directory, kCpuArea, 3, take_frame());
    base::Mfn const middle = frame_in(arch::frame_as<std::uint64_t>(directory)[base::table_index(kCpuArea, 3)]);
    PageTableBuilder::link(middle, kCpuArea, 2, area_table);
    return PageTableBuilder::table_entry(directory);
}

} // namespace

void fill_gdt(std::uint64_t* entries) {
    auto const tss = system_descriptor(SystemSegment::tss, reinterpret_cast<std::uint64_t>(&cpu_area.entry.tss),
                                       static_cast<std::uint32_t>(port_offset() + kPortBytes));
    entries[gdt_slot(SELECTOR_KERNEL_CS)] = kKernelCode;
    entries[gdt_slot(SELECTOR_KERNEL_DS)] = kKernelData;
    entries[gdt_slot(SELECTOR_RING3_CS32)] = kRing3Code32;
    entries[gdt_slot(SELECTOR_RING3_DS)] = kRing3Data;
    entries[gdt_slot(SELECTOR_RING3_CS64)] = kRing3Code64;
    entries[gdt_slot(SELECTOR_TSS)] = tss[0];
    entries[gdt_slot(SELECTOR_TSS) + 1] = tss[1];
}

CpuFrames& frames_of(base::CpuId cpu) {
    ASSERT(cpu.raw() < base::kMaxCpus);
    return all_frames[cpu.raw()];
}

void prepare_cpu(base::CpuId cpu, std::uint32_t apic_id, TableSource take_frame) {
    bool const is_boot_cpu = cpu == base::CpuId{0};
    auto& frames = frames_of(cpu);
    frames.table = take_frame();
    frames.gdt = take_frame();
    frames.entry_data = is_boot_cpu ? frame_of(image_maddr(boot_cpu_pages)) : take_frame();
    base::Mfn const data = is_boot_cpu ? frames.entry_data + 1 : take_frame();

    auto* const table = arch::frame_as<std::uint64_t>(frames.table);
    table[page_of(cpu_area.entry)] = make_entry(frames.entry_data, Rights::read);
    table[page_of(cpu_area.data)] = make_entry(data, Rights::write);
    add_stack(table, cpu_area.stack, take_frame);
    for (unsigned page = 0; page < cpu_area.ports.size(); ++page)
        table[page_of(cpu_area.ports) + page] = make_entry(frame_of(image_maddr(&ports)) + page, Rights::read);
    add_stack(table, cpu_area.nmi_stack, take_frame);
    add_stack(table, cpu_area.double_fault_stack, take_frame);
    add_stack(table, cpu_area.machine_check_stack, take_frame);
    add_stack(table, cpu_area.debug_stack, take_frame);
    for (unsigned page = 0; page < 16; ++page)
        table[page_of(cpu_area.gdt) + page] = make_entry(empty_page(), Rights::read);
    table[page_of(cpu_area.gdt) + 14] = make_entry(frames.gdt, Rights::read);

    std::uint64_t const own_slot = make_own_slot(frames.table, take_frame);
    frames.root = take_frame();
    fill_hypervisor_slots(frames.root, own_slot);
    make_root_page(cpu, frames.root);

    auto* const entry_data = std::construct_at(arch::frame_as<EntryData>(frames.entry_data));
    entry_data->id = cpu;
    entry_data->apic_id = apic_id;
    for (auto const root : {arch::Root::kernel, arch::Root::user})
        entry_data->cr3[static_cast<unsigned>(root)] = root_cr3(cpu, root);
    fill_tss(entry_data->tss);
    fill_gdt(arch::frame_as<std::uint64_t>(frames.gdt));
    if (!is_boot_cpu)
        std::construct_at(arch::frame_as<CpuData>(data));
}

std::uint32_t apic_id_of(base::CpuId cpu) {
    return arch::frame_as<EntryData const>(frames_of(cpu).entry_data)->apic_id;
}

arch::Registers* guest_frame() { return cpu_area.frame(); }

} // namespace x86

namespace arch {

base::CpuId this_cpu() { return x86::cpu_area.entry.id; }
void open_port(std::uint16_t port) {
    auto& byte = x86::ports.closed[port / 8];
    byte = static_cast<std::uint8_t>(byte & ~(1U << port % 8));
}

void allow_open_ports(bool guest_may) {
    auto& data = x86::cpu_area.data;
    if (data.ports_allowed == guest_may)
        return;
    data.ports_allowed = guest_may;
    auto* const entry_data = frame_as<x86::EntryData>(x86::frames_of(this_cpu()).entry_data);
    entry_data->tss.io_bitmap = guest_may ? static_cast<std::uint16_t>(x86::port_offset()) : x86::Tss::kNoPorts;
}

base::LockWitness& lock_witness() { return x86::cpu_area.data.lock_witness; }

} // namespace arch
