#include "build/dom0.hpp"

#include <array>

namespace build {

using base::Error;
using base::Vaddr;

namespace {

constexpr std::string_view kMagic = "xen-3.0-x86_64";

constexpr std::uint64_t kInitialFlags = 0x202; ///< IF, and the bit that is always one

/// How long the command line will be, its NUL not counted.
std::size_t command_line_size(Dom0Request const& request) {
    auto const more = request.more_arguments.size();
    return request.command_line.size() + (more == 0 ? 0 : more + 1);
}

template <typename Char> Char* append(Char* to, std::string_view text) {
    static_assert(sizeof(Char) == 1);
    std::memcpy(to, text.data(), text.size());
    return to + text.size();
}

} // namespace

Expected<Layout> plan_dom0(Dom0Request const& request) {
    auto const& notes = request.kernel.notes;
    bool const can_be_dom0 = !notes.says_features || (notes.features.supported & 1U << XENFEAT_dom0) != 0;
    if ((request.flags & SIF_INITDOMAIN) != 0 && !can_be_dom0)
        return refuse(Error::not_supported, "the kernel says that it cannot be domain 0");
    if (command_line_size(request) >= MAX_GUEST_CMDLINE)
        return refuse(Error::too_big, "the command line is longer than start_info holds");

    return plan_layout({.nr_pages = request.nr_pages,
                        .kernel = request.kernel.extent,
                        .initrd_bytes = request.initrd.size(),
                        .virt_base = notes.virt_base,
                        .init_p2m = notes.init_p2m,
                        .initrd_outside = notes.mod_start_pfn});
}

void fill_start_info(Dom0Request const& request, Layout const& layout, std::byte* page) {
    bool const initrd_by_pfn = !request.initrd.empty() && request.kernel.notes.mod_start_pfn;

    start_info_t info{};
    append(info.magic, kMagic);
    info.nr_pages = layout.nr_pages;
    info.shared_info = request.shared_info.raw();
    info.flags = request.flags | (initrd_by_pfn ? SIF_MOD_START_PFN : 0);
    info.pt_base = layout.address_of(layout.tables.l4()).raw();
    info.nr_pt_frames = layout.tables.frames();
    info.mfn_list = layout.p2m_address.raw();
    if (!request.initrd.empty()) {
        auto const first = layout.initrd.first;
        info.mod_start = initrd_by_pfn ? first.raw() : layout.address_of(first).raw();
        info.mod_len = request.initrd.size();
    }
    auto* const end = append(info.cmd_line, request.command_line);
    if (!request.more_arguments.empty())
        append(append(end, " "), request.more_arguments);
    if (auto const& own = layout.p2m_tables) {
        info.first_p2m_pfn = layout.p2m.first.raw();
        info.nr_p2m_frames = layout.p2m.count() + own->frames();
    }

    std::memset(page, 0, base::kPageSize);
    if (request.console) {
        info.console.dom0.info_off = sizeof info;
        info.console.dom0.info_size = sizeof *request.console;
        std::memcpy(page + sizeof info, &*request.console, sizeof *request.console);
    }
    std::memcpy(page, &info, sizeof info);
}

void fill_context(InitialState const& state, vcpu_guest_context_t& context) {
    std::memset(&context, 0, sizeof context);
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = state.rip.raw();
    context.user_regs.rsp = state.rsp.raw();
    context.user_regs.rsi = state.start_info.raw();
    context.user_regs.rflags = kInitialFlags;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = state.rsp.raw();
    context.ctrlreg[3] = xen_pfn_to_cr3(state.l4.raw());
}

} // namespace build
