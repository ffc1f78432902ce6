/// Hypercalls as a hostile kernel would make them: each family in its own form, and all others with any arguments.
#pragma once

#include <array>
#include <cstdint>

#include "abi/xen.hpp"
#include "fuzz/hypercall/guest.hpp"

namespace fuzz {

class Calls {
  public:
    explicit Calls(Guest& guest) : guest_{guest}, input_{guest.input()} {}

    Prepared any() {
        switch (input_.below(12)) {
        case 0:
        case 1: return mmu_update();
        case 2:
        case 3: return mmuext_op();
        case 4: return update_va_mapping();
        case 5: return memory_op();
        case 6: return exchange();
        case 7: return grant_table_op();
        case 8: return event_channel_op();
        case 9: return vcpu_op();
        case 10: return descriptors();
        default: return plain();
        }
    }

    /// Some of them as one.
    Prepared multicall() {
        std::array<multicall_entry_t, 4> entries{};
        auto const count = 1 + input_.below(4);
        for (std::uint32_t i = 0; i < count; ++i) {
            auto const call = input_.rarely(32) ? multicall_again() : any();
            entries[i].op = call.number;
            std::copy(call.args.begin(), call.args.end(), entries[i].args);
        }
        last_ = {.number = __HYPERVISOR_multicall, .args = {guest_.put(entries), count}};
        return last_;
    }

    /// For a vCPU that may run: as a kernel starts its second one, or nearly.
    std::uint64_t context() {
        static vcpu_guest_context_t context; // too big for a stack; every word is set anew
        context = {};
        context.flags = VGCF_in_kernel | (input_.rarely(4) ? input_.byte() : 0U);
        context.user_regs.rip = Guest::kCode;
        context.user_regs.rsp = Guest::kStack - 0x800;
        context.user_regs.cs = FLAT_KERNEL_CS;
        context.user_regs.ss = FLAT_KERNEL_SS;
        context.ctrlreg[3] = root() << base::kPageShift;
        context.ctrlreg[1] = input_.rarely(4) ? root() << base::kPageShift : 0;
        context.gdt_ents = input_.rarely(4) ? 512 : 0;
        context.gdt_frames[0] = guest_.blank();
        context.event_callback_eip = context.syscall_callback_eip = context.failsafe_callback_eip = Guest::kCode;
        context.kernel_sp = Guest::kStack - 0x800;
        for (auto& trap : context.trap_ctxt)
            trap = {.vector = 0, .flags = 0, .cs = FLAT_KERNEL_CS, .address = Guest::kCode};
        if (input_.rarely(4))
            reinterpret_cast<unsigned char*>(&context)[input_.below(sizeof context)] = input_.byte();
        return guest_.put(context);
    }

  private:
    std::uint64_t root() { return input_.rarely(3) ? guest_.table() : guest_.vcpu().kernel_root.gfn.raw(); }
    Prepared multicall_again() { return last_; }

    std::uint64_t foreign() {
        return input_.one_of<std::uint64_t>({DOMID_SELF, DOMID_SELF, DOMID_SELF, DOMID_SELF, DOMID_IO, 1, 0x10000 + 0,
                                             0x20000 + DOMID_SELF, 0x2'0001, DOMID_XEN, input_.take<std::uint16_t>()});
    }
    std::uint64_t done_count() { return input_.rarely(4) ? guest_.address() : input_.rarely(2) ? guest_.room(8) : 0; }

    Prepared mmu_update() {
        std::array<mmu_update_t, 6> updates{};
        auto const count = 1 + input_.below(6);
        for (std::uint32_t i = 0; i < count; ++i) {
            auto const command = input_.one_of<std::uint64_t>({0, 0, 0, 0, 2, 2, 3, 1, 4, 5});
            auto const odd = input_.rarely(16) ? 0 : ~std::uint64_t{7};
            updates[i].ptr = (guest_.entry_address() & odd) | command;
            updates[i].val = command == MMU_MACHPHYS_UPDATE ? input_.take<std::uint16_t>() : guest_.entry();
        }
        auto const flags = input_.rarely(16) ? std::uint64_t{1} << 31 : 0;
        return {__HYPERVISOR_mmu_update, {guest_.put(updates), count | flags, done_count(), foreign()}};
    }

    Prepared mmuext_op() {
        std::array<::mmuext_op, 4> operations{};
        auto const count = 1 + input_.below(4);
        for (std::uint32_t i = 0; i < count; ++i) {
            auto& one = operations[i];
            one.cmd = input_.rarely(4)
                          ? input_.below(21)
                          : input_.one_of<unsigned>({MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
                                                     MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE, MMUEXT_UNPIN_TABLE,
                                                     MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR});
            bool const frame = one.cmd <= MMUEXT_NEW_BASEPTR || one.cmd == MMUEXT_NEW_USER_BASEPTR;
            one.arg1.linear_addr = frame ? guest_.table() : guest_.address();
            if (input_.rarely(8))
                one.arg1.mfn = guest_.gfn();
            one.arg2.nr_ents = input_.rarely(2) ? guest_.small() : static_cast<unsigned>(guest_.address());
        }
        auto const domain = input_.rarely(8) ? guest_.domid() : DOMID_SELF;
        return {__HYPERVISOR_mmuext_op, {guest_.put(operations), count, done_count(), domain}};
    }

    Prepared update_va_mapping() {
        auto const flags = input_.rarely(4) ? input_.below(16) | (input_.rarely(2) ? guest_.room(8) : 0)
                                            : input_.one_of<std::uint64_t>({0, 2, 6});
        std::array<std::uint64_t, 6> args{guest_.address(), guest_.entry(), flags};
        if (input_.rarely(3)) {
            args[3] = guest_.domid();
            return {__HYPERVISOR_update_va_mapping_otherdomain, args};
        }
        return {__HYPERVISOR_update_va_mapping, args};
    }

    xen_memory_reservation_t reservation(unsigned order, std::uint64_t extents) {
        xen_memory_reservation_t made{};
        auto const list = guest_.room(8 * extents);
        for (std::uint64_t i = 0; i < extents; ++i)
            guest_.store(list + 8 * i, input_.rarely(3) ? input_.take<std::uint16_t>() : guest_.gfn());
        made.extent_start.p = reinterpret_cast<xen_pfn_t*>(input_.rarely(16) ? guest_.address() : list);
        made.nr_extents = input_.rarely(16) ? input_.take<std::uint64_t>() : extents;
        made.extent_order = order;
        made.mem_flags = input_.rarely(4) ? input_.take<std::uint32_t>() : 0;
        made.domid = input_.rarely(8) ? guest_.domid() : DOMID_SELF;
        return made;
    }

    Prepared memory_op() {
        auto const command = input_.rarely(4)
                                 ? input_.below(64)
                                 : input_.one_of<std::uint32_t>({XENMEM_decrease_reservation, XENMEM_populate_physmap});
        auto const order = input_.rarely(4) ? input_.below(12) : 0;
        return {__HYPERVISOR_memory_op,
                {command | (input_.rarely(16) ? 64U : 0U), guest_.put(reservation(order, 1 + input_.below(6)))}};
    }

    Prepared exchange() {
        auto const in_order = input_.rarely(4) ? input_.below(4) : 0;
        auto const out_order = input_.below(4);
        auto const larger = std::max(in_order, out_order);
        xen_memory_exchange_t request{};
        request.in = reservation(in_order, std::uint64_t{1} << (larger - in_order));
        request.out = reservation(out_order, std::uint64_t{1} << (larger - out_order));
        request.nr_exchanged = input_.rarely(16) ? input_.byte() : 0;
        return {__HYPERVISOR_memory_op, {XENMEM_exchange, guest_.put(request)}};
    }

    /// Where a grant is mapped: at an address, or in an entry.
    std::uint64_t host_address() {
        auto const address = input_.rarely(3) ? guest_.entry_address() : guest_.address() & ~std::uint64_t{0xfff};
        return places_[next_place_++ % places_.size()] = address;
    }

    Prepared grant_table_op() {
        switch (input_.below(7)) {
        case 6: {
            gnttab_unmap_and_replace_t request{};
            request.host_addr = input_.pick(places_);
            request.new_addr = input_.pick(places_);
            request.handle = guest_.small();
            return grant_call(GNTTABOP_unmap_and_replace, request);
        }
        case 0: {
            gnttab_setup_table_t request{};
            request.dom = guest_.domid();
            request.nr_frames = guest_.small();
            request.frame_list.p = reinterpret_cast<xen_pfn_t*>(guest_.room(128));
            return grant_call(GNTTABOP_setup_table, request);
        }
        case 1:
        case 2: {
            std::array<gnttab_map_grant_ref_t, 2> requests{};
            for (auto& one : requests) {
                one.host_addr = host_address();
                one.flags = GNTMAP_host_map | input_.byte();
                one.ref = guest_.small();
                one.dom = guest_.domid();
            }
            return grant_call(GNTTABOP_map_grant_ref, requests, 1 + input_.below(2));
        }
        case 3: {
            std::array<gnttab_unmap_grant_ref_t, 2> requests{};
            for (auto& one : requests) {
                one.host_addr = input_.pick(places_);
                one.dev_bus_addr = input_.rarely(4) ? guest_.gfn() << base::kPageShift : 0;
                one.handle = guest_.small();
            }
            return grant_call(GNTTABOP_unmap_grant_ref, requests, 1 + input_.below(2));
        }
        case 4: {
            gnttab_copy_t request{};
            request.source.domid = guest_.domid();
            request.dest.domid = guest_.domid();
            request.flags = static_cast<std::uint16_t>(input_.below(4));
            request.source.u.gmfn = (request.flags & GNTCOPY_source_gref) != 0 ? guest_.small() : guest_.gfn();
            request.dest.u.gmfn = (request.flags & GNTCOPY_dest_gref) != 0 ? guest_.small() : guest_.gfn();
            request.source.offset = static_cast<std::uint16_t>(input_.below(4096));
            request.dest.offset = static_cast<std::uint16_t>(input_.below(4096));
            request.len = input_.rarely(2) ? static_cast<std::uint16_t>(input_.below(4097)) : 16;
            return grant_call(GNTTABOP_copy, request);
        }
        default:
            return grant_call(input_.below(13), std::array<std::uint64_t, 8>{guest_.argument(), guest_.argument()});
        }
    }
    template <typename Request>
    Prepared grant_call(std::uint32_t command, Request const& request, std::uint64_t count = 1) {
        return {__HYPERVISOR_grant_table_op,
                {command, guest_.put(request), input_.rarely(16) ? guest_.argument() : count}};
    }

    Prepared event_channel_op() {
        std::array<std::uint32_t, 6> request{};
        for (auto& word : request)
            word = input_.rarely(4) ? guest_.domid() | std::uint32_t{guest_.domid()} << 16 : guest_.small();
        return {__HYPERVISOR_event_channel_op, {input_.below(15), guest_.put(request)}};
    }

    Prepared vcpu_op() {
        auto const command = input_.one_of<std::uint64_t>(
            {VCPUOP_initialise, VCPUOP_up, VCPUOP_down, VCPUOP_is_up, VCPUOP_register_vcpu_info, input_.below(15)});
        std::uint64_t argument = 0;
        if (command == VCPUOP_initialise) {
            argument = context();
        } else if (command == VCPUOP_register_vcpu_info) {
            vcpu_register_vcpu_info_t const request{
                .mfn = guest_.gfn(), .offset = input_.one_of<std::uint32_t>({0, 64, 4032, 8, 4040}), .rsvd = 0};
            argument = guest_.put(request);
        } else if (input_.rarely(2)) {
            argument = guest_.put(guest_.address());
        }
        return {__HYPERVISOR_vcpu_op, {command, input_.below(3), argument}};
    }

    Prepared descriptors() {
        if (input_.rarely(3)) {
            auto const at = guest_.gfn() << base::kPageShift | input_.below(512) * 8;
            return {__HYPERVISOR_update_descriptor, {at, guest_.descriptor()}};
        }
        if (input_.rarely(2)) {
            ::mmuext_op operation{};
            operation.cmd = MMUEXT_SET_LDT;
            operation.arg1.linear_addr =
                guest_.address() & (input_.rarely(8) ? ~std::uint64_t{0} : ~std::uint64_t{0xfff});
            operation.arg2.nr_ents = input_.one_of<unsigned>({512, 8192, 0, 1, 9000});
            return {__HYPERVISOR_mmuext_op, {guest_.put(operation), 1, 0, DOMID_SELF}};
        }
        auto const entries = input_.one_of<std::uint64_t>({512, 1024, 0, 1, 14 * 512, 14 * 512 + 1});
        return {__HYPERVISOR_set_gdt, {guest_.put(std::array{guest_.gfn(), guest_.gfn()}), entries}};
    }

    Prepared plain() {
        Prepared call{.number = input_.below(64), .args = {}};
        for (auto& argument : call.args)
            argument = guest_.argument();
        return call;
    }

    Guest& guest_;
    Input& input_;
    Prepared last_;
    std::array<std::uint64_t, 4> places_{};
    std::size_t next_place_ = 0;
};

} // namespace fuzz
