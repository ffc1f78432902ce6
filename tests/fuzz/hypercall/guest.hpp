/// What a hostile kernel knows of the machine that it runs on, and how it chooses values: mostly nearly right ones.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fuzz/hypercall/cpus.hpp"
#include "fuzz/hypercall/input.hpp"

namespace fuzz {

/// One hypercall, its arguments in memory written.
struct Prepared {
    std::uint64_t number = 0;
    std::array<std::uint64_t, 6> args{};
};

class Guest {
  public:
    // The guest's own plan of its first 4 MiB.
    static constexpr std::uint64_t kBase = test::Hypervisor::kVirtBase;
    static constexpr std::uint64_t kArena = kBase + 0x10000; ///< arguments, 64 KiB
    static constexpr std::uint64_t kCode = kBase + 0x40000;
    static constexpr std::uint64_t kStack = kBase + 0x52000; ///< its top
    static constexpr std::uint64_t kBlank = 16;              ///< frames that nothing maps, to make tables of

    Guest(test::Hypervisor& hypervisor, Cpus& cpus, Input& input)
        : hypervisor_{hypervisor}, cpus_{cpus}, input_{input} {
        auto const m2p = arch::machine_to_phys();
        frames_.resize(hypervisor.system->quotas[0].total());
        for (std::uint64_t mfn = 0; mfn < m2p.size(); ++mfn) {
            if (m2p[mfn] >= frames_.size())
                continue;
            frames_[m2p[mfn]] = mfn;
            if (shadow_pt::is_table(hypervisor.system->frames.info(base::Mfn{mfn}).state.use()))
                tables_.push_back(mfn);
        }
    }

    Input& input() { return input_; }
    [[nodiscard]] domain::Vcpu& vcpu() { return *cpus_.current(); }
    [[nodiscard]] domain::Domain& domain() { return *hypervisor_.dom0; }

    // --- memory for arguments ------------------------------------------------------------------------------------------

    void clear_arena() { used_ = 0; }
    /// Room for @p size bytes of arguments.
    std::uint64_t room(std::size_t size) {
        auto const at = kArena + used_;
        used_ = (used_ + size + 7) & ~std::size_t{7};
        return at;
    }
    template <typename T> std::uint64_t put(T const& value) { return store(room(sizeof value), value); }
    /// A guest that has taken its memory away has wrong arguments, no more.
    template <typename T> std::uint64_t store(std::uint64_t at, T const& value) {
        static_cast<void>(domain::write_guest(vcpu(), base::Vaddr{at}, value));
        return at;
    }

    // --- values -----------------------------------------------------------------------------------------------------------

    std::uint64_t blank() { return frames_[frames_.size() - 1 - input_.below(kBlank)]; }
    std::uint64_t table() { return input_.rarely(3) ? blank() : input_.pick(tables_); }
    std::uint64_t gfn() {
        switch (input_.below(8)) {
        case 0:
        case 1:
        case 2: return blank();
        case 3: return input_.pick(tables_);
        case 4:
        case 5: return input_.pick(frames_);
        case 6: return special_frame();
        default: return input_.take<std::uint64_t>() >> input_.below(64);
        }
    }
    std::uint64_t entry() {
        static constexpr std::array<std::uint64_t, 12> kFlags{0x67, 0x65, 0x27, 0x25,  0x7,   0x5,
                                                              0x1,  0x3,  0x0,  0x167, 0xe67, 0x87};
        if (input_.rarely(16))
            return input_.take<std::uint64_t>();
        auto const flags = input_.pick(kFlags) | (input_.rarely(4) ? shadow_pt::pte::kNoExecute : 0);
        return gfn() << base::kPageShift | flags;
    }
    /// Of an entry in some table.
    std::uint64_t entry_address() { return table() << base::kPageShift | index() * sizeof(std::uint64_t); }
    /// Few of the slots, so that acts meet each other: those of the kernel's half, the first ones, and some at the end.
    std::uint64_t index() {
        switch (input_.below(4)) {
        case 0: return input_.below(4);
        case 1: return 508 + input_.below(4);
        case 2: return input_.below(512);
        default: return 253 + input_.below(20);
        }
    }

    std::uint64_t address() {
        switch (input_.below(8)) {
        case 0:
        case 1: return kArena + input_.below(0x10000);
        case 2: return kBase + (std::uint64_t{input_.below(1024)} << base::kPageShift) + input_.below(4) * 8;
        case 3: return kBase + (arch::machine_to_phys()[input_.pick(tables_)] << base::kPageShift) + index() * 8;
        case 4:
        case 5: return index() << 39 | index() << 30 | index() << 21 | index() << 12;
        case 6:
            return input_.one_of<std::uint64_t>({0, HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_END, 0x7fff'ffff'f000,
                                                 0x8000'0000'0000, ~std::uint64_t{0xfff}, ~std::uint64_t{0}, kStack - 8,
                                                 kCode, arch::ldt_window().raw() + 8});
        default: return input_.take<std::uint64_t>();
        }
    }

    std::uint16_t domid() {
        return input_.one_of<std::uint16_t>({DOMID_SELF, DOMID_SELF, 0, 1, 1, DOMID_IO, DOMID_XEN, 77});
    }
    std::uint64_t descriptor() {
        return input_.one_of<std::uint64_t>({0x00cf'fa00'0000'ffff, 0x00cf'f200'0000'ffff, 0x00af'fa00'0000'ffff, 0,
                                             0x0000'ec00'0008'1234, input_.take<std::uint64_t>()});
    }
    std::uint32_t small() { return input_.below(12); }
    /// For calls that have no form of their own here.
    std::uint64_t argument() {
        switch (input_.below(8)) {
        case 0:
        case 1: return small();
        case 2: return domid();
        case 3: return address();
        case 4: return gfn();
        case 5: return input_.take<std::uint64_t>();
        default: {
            auto const at = room(32);
            for (unsigned i = 0; i < 8; ++i)
                store(at + 4 * i, input_.rarely(3) ? input_.take<std::uint32_t>() : small());
            return at;
        }
        }
    }

  private:
    std::uint64_t special_frame() {
        auto& other = *hypervisor_.system->find(base::DomId{1});
        auto const grants = domain().grants.with([](::grants::Grants& both) {
            return both.table.frames() == 0 ? base::Mfn{0} : both.table.shared_frame(0);
        });
        return input_.one_of<std::uint64_t>({domain().shared_frame.raw(), grants.raw(), 0, 0xa0, 0xfee00, 0xfec00,
                                             0xfe000, other.shared_frame.raw(), 1, 2, 3, // 1 to 3: the other domain's
                                             vcpu().kernel_root.tables.shadow.raw(), hypervisor_.machine.frames(),
                                             ~std::uint64_t{0} >> 12, ~std::uint64_t{0}});
    }

    test::Hypervisor& hypervisor_;
    Cpus& cpus_;
    Input& input_;
    std::vector<std::uint64_t> frames_; ///< by pfn
    std::vector<std::uint64_t> tables_; ///< those that the guest begins with
    std::size_t used_ = 0;
};

} // namespace fuzz
