/// What a hostile kernel has to play with: pages of its own that it can do without, and numbers that look like something.
#pragma once

#include "lib/dice.hpp"
#include "lib/guest.hpp"
#include "lib/memory.hpp"

inline constexpr std::uint64_t kHypervisor = 0xffff'8300'0000'0000;
inline constexpr std::uint64_t kUnmapped = 0x1000;
inline constexpr std::uint64_t kNotCanonical = 0x8000'0000'0000;
inline constexpr unsigned kFreeRootSlot = 400; ///< that no window is made in

class Sandbox {
  public:
    static constexpr unsigned kPages = 12;

    /// One of its pages.
    [[nodiscard]] lib::Page page(lib::Dice& dice) const { return lib::Page{first_.pfn() + dice.below(kPages)}; }
    [[nodiscard]] lib::Page page(unsigned index) const { return lib::Page{first_.pfn() + index}; }
    [[nodiscard]] lib::Window const& window() const { return window_; }
    /// A page in which arguments are made up, and answers are left in its second half; always writable.
    [[nodiscard]] std::uint64_t* scratch() const { return scratch_.entries(); }

    /// A frame number: a sandbox page's, or one that the guest has no right to.
    std::uint64_t frame(lib::Dice& dice) const {
        return dice.once_in(2) ? page(dice).frame().raw() : foreign_frame(dice);
    }
    std::uint64_t foreign_frame(lib::Dice& dice) const {
        std::uint64_t const choices[] = {0,
                                         1,
                                         0xa0,
                                         0xf0,
                                         0xfee00,
                                         0xfec00,
                                         shared_info_,
                                         root_,
                                         window_.l2.frame().raw(),
                                         std::uint64_t{1} << 24,
                                         (std::uint64_t{1} << 40) - 1,
                                         ~std::uint64_t{0},
                                         std::uint64_t{1} << 52,
                                         dice.next() | std::uint64_t{1} << 40};
        return dice.one_of(choices);
    }
    /// An address to read or write arguments at, and none that the guest's own kernel lies at.
    std::uint64_t address(lib::Dice& dice) const {
        std::uint64_t const choices[] = {0,
                                         kUnmapped,
                                         kHypervisor,
                                         MACH2PHYS_VIRT_START,
                                         kNotCanonical,
                                         ~std::uint64_t{0} - 7,
                                         0xffff'87ff'ffff'fff8,
                                         0x7fff'ffff'fff8,
                                         window_.va(5),
                                         lib::word(scratch()) + 2048 + 8 * dice.below(200),
                                         lib::word(scratch()) + 4090};
        return dice.one_of(choices);
    }
    /// Any number, rather one of those at which things change; but no frame of the kernel's own, which are its to spoil, and
    /// without which it could not go on.
    std::uint64_t number(lib::Dice& dice) const {
        std::uint64_t const any = any_number(dice);
        return is_kernels(any) || is_kernels(any >> base::kPageShift) ? 0 : any;
    }
    std::uint64_t domain(lib::Dice& dice) const {
        std::uint64_t const choices[] = {
            DOMID_SELF, 0, 1, 1234, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID, DOMID_IDLE, 0x1'7ff0, dice.next()};
        return dice.one_of(choices);
    }
    /// An entry of a page table, of any level, with any bits.
    lib::Entry entry(lib::Dice& dice) const {
        lib::Entry const bits[] = {lib::kWritable,
                                   lib::kReadOnly,
                                   lib::kTable,
                                   lib::kWritable | lib::kPageSizeBit,
                                   lib::kReadOnly | lib::kGlobal,
                                   lib::kReadOnly | lib::kNoExecute,
                                   dice.next() & 0xfff,
                                   (dice.next() & 0xfff) | dice.next() << 52,
                                   0};
        std::uint64_t const mapped = frame(dice);
        // The shared page is the guest's own to spoil: with its clock gone it could not go on.
        return mapped == shared_info_ ? 0 : mapped << 12 | dice.one_of(bits);
    }
    /// Sixteen words with any numbers, in the first half of the scratch page; what sixteen calls ask for does not overlap.
    std::uint64_t* arguments(lib::Dice& dice) const {
        static unsigned turn = 0;
        std::uint64_t* const words = scratch() + 16 * (turn++ % 16);
        for (unsigned i = 0; i < 16; ++i)
            words[i] = number(dice);
        return words;
    }
    /// Every page as it was: memory, zero.
    void clear() const;

  private:
    static constexpr std::uint64_t kFirstOfImage = 256;

    std::uint64_t any_number(lib::Dice& dice) const {
        switch (dice.below(8)) {
        case 0: return dice.below(8);
        case 1: return dice.below(5000);
        case 2: return std::uint64_t{1} << dice.below(64);
        case 3: return ~(std::uint64_t{1} << dice.below(64));
        case 4: return dice.next();
        case 5: return frame(dice);
        case 6: return address(dice);
        default: return DOMID_SELF + dice.below(6);
        }
    }
    /// A domU's frames are numbers that chance hits upon.
    [[nodiscard]] bool is_kernels(std::uint64_t frame) const {
        return lib::is_translated() && frame >= kFirstOfImage && frame < first_.pfn();
    }

    lib::Page first_ = lib::fresh_pages(kPages);
    lib::Page scratch_ = lib::fresh_page();
    lib::Window window_ = lib::make_window();
    std::uint64_t shared_info_ = lib::startup().shared_info >> 12;
    std::uint64_t root_ = lib::root_table().frame().raw();
};

Sandbox& sandbox();
/// Closes the ports that chance has bound.
void close_ports();
/// Checks that the guest's own kernel is whole: its code, its root table, its traps, the console.
void check_sanity();
