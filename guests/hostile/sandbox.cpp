#include "sandbox.hpp"

#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

extern "C" std::uint8_t const image_start[];
extern "C" std::uint8_t const image_constant_end[];

namespace {

std::uint64_t sum_of(std::uint8_t const* from, std::uint8_t const* to) {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (; from < to; ++from)
        sum = (sum ^ *from) * 0x100000001b3;
    return sum;
}

} // namespace

Sandbox& sandbox() {
    static Sandbox const box;
    return const_cast<Sandbox&>(box);
}

void Sandbox::clear() const {
    using namespace lib;
    for (unsigned slot = 0; slot < kEntries; ++slot)
        window_.set(slot, 0);
    mmuext(MMUEXT_SET_LDT, 0, 0);
    set_gdt(nullptr, 0);
    new_user_root(Frame{0});
    // A table may hold another one: what is not to be had at first is, when the others have gone.
    for (unsigned round = 0; round < 5; ++round)
        for (unsigned i = 0; i < kPages; ++i) {
            unpin(page(i).frame());
            if (page(i).make_writable() == 0)
                __builtin_memset(page(i).entries(), 0, kPageSize);
        }
    for (unsigned i = 0; i < kPages; ++i) {
        CHECK_EQ(page(i).make_writable(), 0);
        CHECK_EQ(update_entry(page(i).address() | MMU_MACHPHYS_UPDATE, page(i).pfn()), 0);
    }
}

void close_ports() {
    evtchn_reset_t request{.dom = DOMID_SELF};
    CHECK_EQ(lib::event_channel_op(EVTCHNOP_reset, &request), 0);
}

void check_sanity() {
    using namespace lib;
    static std::uint64_t const sum = sum_of(image_start, image_constant_end);
    CHECK_EQ(sum_of(image_start, image_constant_end), sum);
    CHECK_EQ(trap_of([] { ud2(); }).vector, kInvalidOpcode);
    CHECK_EQ(trap_of([] { touch(*reinterpret_cast<char volatile*>(kUnmapped)); }).vector, kPageFault);
    Window const& window = sandbox().window();
    CHECK_EQ(window.set(511, entry(root_table().frame(), kReadOnly)), 0);
    flush_page(window.va(511));
    CHECK_EQ(window.at(511, 511 * sizeof(Entry)), root_table()[511]);
    CHECK_EQ(xen_version(XENVER_version), (4 << 16) | 17);
}
