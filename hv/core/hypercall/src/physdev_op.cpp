// physdev_op: what dom0 does to interrupt lines and PCI devices (docs/abi.md §3.11, §5.5).

#include "abi/xen.hpp"
#include "domain/notice.hpp"
#include "guest/mode.hpp"
#include "hypercall/handlers.hpp"
#include "irq/msi.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;

constexpr std::uint32_t kPorts = 65536;

/// Only who drives the machine's devices, and only about itself: nobody else is given a device yet.
base::Result<Domain*> driver(Call& call, domid_t id) {
    bool const own = id == DOMID_SELF || base::DomId{id} == call.domain().id;
    if (!own && call.domain().system.find(base::DomId{id}) == nullptr)
        return Err{Error::no_such_domain};
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    if (!own)
        return Err{Error::not_supported};
    return &call.domain();
}
base::Result<Domain*> driver(Call& call) { return driver(call, DOMID_SELF); }

Answer set_iopl(Call& call) {
    auto const request = TRY(call.read<physdev_set_iopl_t>(1));
    if (request.iopl > 3)
        return Err{Error::invalid};
    call.vcpu.iopl = static_cast<std::uint8_t>(request.iopl);
    guest::apply_iopl(call.vcpu);
    return 0;
}

Answer set_iobitmap(Call& call) {
    auto const request = TRY(call.read<physdev_set_iobitmap_t>(1));
    if (request.nr_ports > kPorts)
        return Err{Error::invalid};
    call.vcpu.io_bitmap = address_of(request.bitmap);
    call.vcpu.io_bitmap_ports = request.nr_ports;
    return 0;
}

Answer eoi(Call& call) {
    auto const request = TRY(call.read<physdev_eoi_t>(1));
    Domain& domain = call.domain();
    auto const port = TRY(domain.system.interrupts.end_of_interrupt(domain.events, request.irq));
    // The port may have been closed meanwhile: then there is nothing to unmask.
    if (port != base::Port{} && domain.end_unmasks.load(std::memory_order_relaxed))
        if (auto const notice = domain.events.unmask(port); notice.ok())
            domain::deliver(notice.value());
    return 0;
}

/// A page of the caller's tells from now on which pirqs want an eoi (a bit each), so that it need not ask. With
/// @p unmasks, eoi also unmasks the port. The page is held writable for as long as the domain lives. Who has no devices
/// has no pirqs: nothing is ever said to it.
Answer pirq_eoi_page(Call& call, bool unmasks) {
    Domain& domain = call.domain();
    auto const request = TRY(call.read<physdev_pirq_eoi_gmfn_t>(1));
    auto const held = domain.paging.hold(base::Gfn{request.gmfn}, shadow_pt::Use::writable);
    if (!held)
        return Err{held.error() == Error::preempted ? Error::preempted : Error::invalid};
    if (domain.tells_ends.exchange(true)) {
        domain.paging.unhold(held.value(), shadow_pt::Use::writable);
        return Err{Error::busy};
    }
    domain.ends_frame = held.value(); // only one call gets here
    auto* const words = reinterpret_cast<std::atomic<std::uint64_t>*>(arch::direct_map(held.value()));
    if (domain.privileged)
        domain.system.interrupts.publish_ends(domain.events, irq::EndWords{words, irq::EndWords::extent});
    domain.host.mark_dirty(held.value());
    if (unmasks)
        domain.end_unmasks.store(true, std::memory_order_relaxed);
    return 0;
}

Answer irq_status_query(Call& call) {
    auto request = TRY(call.read<physdev_irq_status_query_t>(1));
    if (request.irq >= irq::kPirqs)
        return Err{Error::invalid};
    // Of one that is not mapped nothing is known: then the end had better be told.
    auto const needs_end = call.domain().system.interrupts.needs_end(call.domain().events, request.irq);
    request.flags = !needs_end.ok() || needs_end.value() ? XENIRQSTAT_needs_eoi : 0;
    TRY(call.write(1, request));
    return 0;
}

Answer setup_gsi(Call& call) {
    Domain& domain = *TRY(driver(call));
    auto const request = TRY(call.read<physdev_setup_gsi_t>(1));
    if (request.gsi < 0 || request.triggering > 1 || request.polarity > 1)
        return Err{Error::invalid};
    TRY(domain.system.interrupts.set_mode(static_cast<std::uint32_t>(request.gsi),
                                          {.level = request.triggering != 0, .low = request.polarity != 0}));
    return 0;
}

/// The bus field carries the segment, too; only segment 0 can be reached by mechanism #1.
base::Result<irq::PciFunction> function_of(int bus, int devfn) {
    if (bus < 0 || bus > 0xff || devfn < 0 || devfn > 0xff)
        return Err{Error::no_device};
    return irq::PciFunction{static_cast<std::uint8_t>(bus), static_cast<std::uint8_t>(devfn)};
}

base::Result<irq::Pirq> map_message(Domain& domain, physdev_map_pirq_t const& request) {
    auto const function = TRY(function_of(request.bus, request.devfn));
    auto& pci = domain.system.pci;
    irq::MessageSlot slot;
    if (request.table_base == 0) {
        slot = TRY(irq::find_msi(pci, function));
    } else {
        if (request.entry_nr < 0)
            return Err{Error::invalid};
        slot = TRY(irq::find_msix(pci, function, static_cast<std::uint32_t>(request.entry_nr)));
        // Its table is where dom0 has put it: not over memory, nor over what is the hypervisor's.
        if (!domain.system.is_device(base::frame_of(slot.entry)))
            return Err{Error::not_permitted};
    }
    return domain.system.interrupts.map_message(domain.events, slot);
}

Answer map_pirq(Call& call) {
    auto request = TRY(call.read<physdev_map_pirq_t>(1));
    Domain& domain = *TRY(driver(call, request.domid));
    irq::Pirq pirq = 0;
    switch (request.type) {
    case MAP_PIRQ_TYPE_GSI:
        if (request.index < 0 || (request.pirq >= 0 && request.pirq != request.index))
            return Err{Error::invalid};
        pirq = TRY(domain.system.interrupts.map_line(domain.events, static_cast<std::uint32_t>(request.index)));
        break;
    case MAP_PIRQ_TYPE_MULTI_MSI:
        if (request.table_base != 0)
            return Err{Error::invalid};
        // Several messages at once need consecutive vectors on one CPU; Xen has them only where interrupts are remapped,
        // and answers so where they are not. Drivers then make do with one.
        if (request.entry_nr <= 0 || request.entry_nr > 32)
            return Err{Error::out_of_domain};
        if (request.entry_nr != 1)
            return Err{Error::not_supported};
        [[fallthrough]];
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG: pirq = TRY(map_message(domain, request)); break;
    default: return Err{Error::invalid};
    }
    request.pirq = static_cast<int>(pirq);
    TRY(call.write(1, request));
    return 0;
}

Answer unmap_pirq(Call& call) {
    auto const request = TRY(call.read<physdev_unmap_pirq_t>(1));
    Domain& domain = *TRY(driver(call, request.domid));
    if (request.pirq < 0)
        return Err{Error::invalid};
    TRY(domain.system.interrupts.unmap(domain.events, static_cast<irq::Pirq>(request.pirq)));
    return 0;
}

/// Vectors are the hypervisor's own affair: this only says whether there is such a line.
Answer alloc_irq_vector(Call& call) {
    auto request = TRY(call.read<physdev_irq_t>(1));
    static_cast<void>(TRY(driver(call)));
    if (!arch::has_line(request.irq))
        return Err{Error::invalid};
    request.vector = request.irq;
    TRY(call.write(1, request));
    return 0;
}

Answer apic_read(Call& call) {
    auto request = TRY(call.read<physdev_apic_t>(1));
    static_cast<void>(TRY(driver(call)));
    auto const value = arch::read_io_apic(base::Maddr{request.apic_physbase}, request.reg);
    if (!value)
        return Err{Error::no_device};
    request.value = *value;
    TRY(call.write(1, request));
    return 0;
}

/// Devices need not be announced: they are looked up when they are asked about. Whoever calls learns that it may.
template <typename Request> Answer take_note(Call& call) {
    static_cast<void>(TRY(driver(call)));
    static_cast<void>(TRY(call.read<Request>(1)));
    return 0;
}

} // namespace

Answer physdev_op(Call& call) {
    switch (call.u32(0)) {
    case PHYSDEVOP_set_iopl: return set_iopl(call);
    case PHYSDEVOP_set_iobitmap: return set_iobitmap(call);
    case PHYSDEVOP_eoi: return eoi(call);
    case PHYSDEVOP_pirq_eoi_gmfn_v1: return pirq_eoi_page(call, true);
    case PHYSDEVOP_pirq_eoi_gmfn_v2: return pirq_eoi_page(call, false);
    case PHYSDEVOP_irq_status_query: return irq_status_query(call);
    case PHYSDEVOP_setup_gsi: return setup_gsi(call);
    case PHYSDEVOP_map_pirq: return map_pirq(call);
    case PHYSDEVOP_unmap_pirq: return unmap_pirq(call);
    case PHYSDEVOP_alloc_irq_vector: return alloc_irq_vector(call);
    case PHYSDEVOP_free_irq_vector: return 0;
    case PHYSDEVOP_apic_read: return apic_read(call);
    case PHYSDEVOP_manage_pci_add:
    case PHYSDEVOP_manage_pci_remove: return take_note<physdev_manage_pci_t>(call);
    case PHYSDEVOP_manage_pci_add_ext: return take_note<physdev_manage_pci_ext_t>(call);
    case PHYSDEVOP_pci_mmcfg_reserved: return take_note<physdev_pci_mmcfg_reserved_t>(call);
    case PHYSDEVOP_pci_device_add:
    case PHYSDEVOP_pci_device_remove:
    case PHYSDEVOP_prepare_msix:
    case PHYSDEVOP_release_msix: return take_note<physdev_pci_device_t>(call);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
