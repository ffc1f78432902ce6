#include "build/dom0.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "unit/build/fake_domain.hpp"
#include "unit/build/kernel_file.hpp"

namespace {

using base::Error;
using base::Pfn;
using base::Vaddr;
using build::build_dom0;
using build::Dom0Request;
using build::InitialState;
using build::Kernel;

constexpr std::uint64_t kPages = 0x2000; ///< 32 MiB
constexpr std::uint64_t kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40;
constexpr std::uint64_t kAddress = 0x000ffffffffff000;

/// A domain, built, and looked at from inside: by virtual addresses, through the tables that were made.
class Built {
  public:
    explicit Built(base::Bytes file, base::Bytes initrd = {}, std::string_view more = {},
                   std::optional<dom0_vga_console_info_t> console = std::nullopt)
        : kernel_{build::open_kernel(file).value()},
          state_{build_dom0(domain_, {.kernel = kernel_,
                                      .nr_pages = kPages,
                                      .initrd = initrd,
                                      .command_line = "console=hvc0",
                                      .more_arguments = more,
                                      .shared_info = base::Gaddr{0x77000},
                                      .console = console})
                     .value()} {}

    test::FakeDomain& domain() { return domain_; }
    [[nodiscard]] InitialState const& state() const { return state_; }
    [[nodiscard]] build::Layout const& layout() const { return state_.layout; }

    std::uint64_t leaf(Vaddr address) { return domain_.entry(state_.l4_pfn, address, 1).value_or(0); }
    std::byte at(Vaddr address) { return domain_.read(state_.l4_pfn, address).value(); }
    std::uint64_t word(Vaddr address) { return domain_.word(domain_.pfn_in(leaf(address)), address.offset() / 8); }
    start_info_t info() {
        start_info_t info;
        std::memcpy(&info, domain_.page(domain_.pfn_in(leaf(state_.start_info))), sizeof info);
        return info;
    }

  private:
    test::FakeDomain domain_{kPages};
    Kernel kernel_;
    InitialState state_;
};

class Dom0 : public testing::Test {
  protected:
    test::ByteBuilder file_ = test::linux_like();
    std::vector<std::byte> initrd_ = test::filled(10000, 0x77);
};

TEST_F(Dom0, HasItsKernelWhereThePhysicalAddressesSay) {
    Built built{file_};
    Vaddr const base{test::kLinuxBase};
    EXPECT_EQ(built.at(base + 0x1000000), std::byte{0x11});
    EXPECT_EQ(built.at(base + 0x10017ff), std::byte{0x11});
    EXPECT_EQ(built.at(base + 0x1002000), std::byte{0x22}); // the per-CPU segment, whatever its virtual address
    EXPECT_EQ(built.at(base + 0x100307f), std::byte{0x33});
}

TEST_F(Dom0, HasZeroesInItsBssAndBetweenItsSegments) {
    Built built{file_};
    Vaddr const base{test::kLinuxBase};
    for (std::uint64_t const at :
         {0x1001800UL, 0x1001fffUL, 0x1002080UL, 0x1002fffUL, 0x1003100UL, 0x1005000UL, 0x1007fffUL})
        EXPECT_EQ(built.at(base + at), std::byte{0}) << std::hex << at;
}

TEST_F(Dom0, MapsItsFirstFramesOneToOneAndNothingBehindThem) {
    Built built{file_};
    for (std::uint64_t pfn = 0; pfn < built.layout().mapped_end.raw(); ++pfn) {
        auto const entry = built.leaf(built.layout().address_of(Pfn{pfn}));
        ASSERT_TRUE(entry & kPresent) << pfn;
        ASSERT_EQ(entry & kAddress, address_of(built.domain().gfn_of(Pfn{pfn})).raw()) << pfn;
    }
    auto const past = built.layout().address_of(built.layout().mapped_end);
    EXPECT_FALSE(built.domain().read(built.state().l4_pfn, past));
}

TEST_F(Dom0, MapsTablesReadOnlyAndEverythingElseWritable) {
    Built built{file_, initrd_};
    auto const tables = built.layout().table_frames();
    for (std::uint64_t pfn = 0; pfn < built.layout().mapped_end.raw(); ++pfn) {
        auto const flags = built.leaf(built.layout().address_of(Pfn{pfn})) & ~kAddress;
        auto const expected = kPresent | kUser | kAccessed | kDirty | (tables.contains(Pfn{pfn}) ? 0 : kWritable);
        ASSERT_EQ(flags, expected) << pfn;
    }
}

TEST_F(Dom0, HasUpperEntriesThatAreWritableAndNameTablesOnly) {
    Built built{file_, initrd_};
    auto const& layout = built.layout();
    std::set<Pfn> tables;
    for (auto pfn = layout.tables.first(); pfn < layout.stack; ++pfn)
        tables.insert(pfn);
    for (std::uint64_t i = 0; i < layout.p2m_tables->frames(); ++i)
        tables.insert(layout.p2m_tables->first() + i);

    std::set<Pfn> reached{built.state().l4_pfn};
    std::vector<std::pair<Pfn, unsigned>> work{{built.state().l4_pfn, 4}};
    while (!work.empty()) {
        auto const [table, level] = work.back();
        work.pop_back();
        for (std::size_t i = 0; i < base::kTableEntries; ++i) {
            auto const entry = built.domain().word(table, i);
            if (entry == 0)
                continue;
            EXPECT_EQ(entry & ~kAddress, kPresent | kWritable | kUser | kAccessed | kDirty);
            auto const child = built.domain().pfn_in(entry);
            EXPECT_TRUE(tables.contains(child));
            EXPECT_TRUE(reached.insert(child).second) << "a table is used twice";
            if (level > 2)
                work.emplace_back(child, level - 1);
        }
    }
    EXPECT_EQ(reached, tables);
}

TEST_F(Dom0, LeavesTheHypervisorsSlotsEmpty) {
    Built built{file_};
    for (std::size_t slot = 256; slot <= 271; ++slot)
        EXPECT_EQ(built.domain().word(built.state().l4_pfn, slot), 0U);
    std::size_t used = 0;
    for (std::size_t slot = 0; slot < base::kTableEntries; ++slot)
        used += built.domain().word(built.state().l4_pfn, slot) != 0 ? 1 : 0;
    EXPECT_EQ(used, 2U); // the kernel's and the p2m list's
}

TEST_F(Dom0, FindsItsFramesInTheP2mListAndBackInTheM2p) {
    Built built{file_, initrd_};
    auto const list = Vaddr{built.info().mfn_list};
    EXPECT_EQ(list, Vaddr{test::kLinuxP2m});
    for (std::uint64_t pfn = 0; pfn < kPages; ++pfn) {
        auto const gfn = built.word(list + pfn * 8);
        ASSERT_EQ(gfn, built.domain().gfn_of(Pfn{pfn}).raw());
        ASSERT_EQ(built.domain().m2p.at(gfn), pfn);
    }
    EXPECT_EQ(built.domain().m2p.size(), kPages);
}

TEST_F(Dom0, HasWholeWritablePagesForTheP2mListThatEndInNoFrame) {
    // A number of frames that does not fill the last page of the list.
    test::FakeDomain domain{kPages + 5};
    auto const kernel = build::open_kernel(file_).value();
    auto const state = build_dom0(domain, {.kernel = kernel,
                                           .nr_pages = kPages + 5,
                                           .initrd = {},
                                           .command_line = "",
                                           .more_arguments = "",
                                           .shared_info = {}})
                           .value();
    auto const last = state.layout.p2m.end.raw() - 1;
    EXPECT_EQ(domain.word(Pfn{last}, 4), domain.gfn_of(Pfn{kPages + 4}).raw());
    for (std::size_t i = 5; i < base::kTableEntries; ++i)
        EXPECT_EQ(domain.word(Pfn{last}, i), ~std::uint64_t{0});
    auto const entry = domain.entry(state.l4_pfn, state.layout.p2m_address + (state.layout.p2m.count() - 1) * 4096, 1);
    EXPECT_EQ(*entry & kWritable, kWritable);
}

TEST_F(Dom0, IsToldWhatItNeedsInItsStartInfo) {
    Built built{file_, initrd_, "root=/dev/ram0"};
    auto const info = built.info();
    auto const& layout = built.layout();
    EXPECT_STREQ(info.magic, "xen-3.0-x86_64");
    EXPECT_EQ(info.nr_pages, kPages);
    EXPECT_EQ(info.shared_info, 0x77000U);
    EXPECT_EQ(info.flags, 1U | 2U | 8U);
    EXPECT_EQ(info.store_mfn, 0U);
    EXPECT_EQ(info.store_evtchn, 0U);
    EXPECT_EQ(info.console.dom0.info_size, 0U);
    EXPECT_EQ(info.pt_base, layout.address_of(built.state().l4_pfn).raw());
    EXPECT_EQ(info.nr_pt_frames, layout.tables.frames());
    EXPECT_EQ(info.mod_start, layout.initrd.first.raw());
    EXPECT_EQ(info.mod_len, 10000U);
    EXPECT_STREQ(reinterpret_cast<char const*>(info.cmd_line), "console=hvc0 root=/dev/ram0");
    EXPECT_EQ(info.first_p2m_pfn, layout.p2m.first.raw());
    EXPECT_EQ(info.nr_p2m_frames, layout.p2m.count() + layout.p2m_tables->frames());
}

TEST_F(Dom0, IsToldOfNoInitrdIfThereIsNone) {
    Built built{file_};
    EXPECT_EQ(built.info().flags, 3U);
    EXPECT_EQ(built.info().mod_start, 0U);
    EXPECT_EQ(built.info().mod_len, 0U);
    EXPECT_STREQ(reinterpret_cast<char const*>(built.info().cmd_line), "console=hvc0");
}

TEST_F(Dom0, HasItsInitrdByteForByteAndZeroesBehindIt) {
    for (std::size_t i = 0; i < initrd_.size(); ++i)
        initrd_[i] = static_cast<std::byte>(i * 7);
    Built built{file_, initrd_};
    auto const first = Pfn{built.info().mod_start};
    for (std::size_t i = 0; i < 3 * base::kPageSize; ++i)
        ASSERT_EQ(built.domain().page(first + i / base::kPageSize)[i % base::kPageSize],
                  i < initrd_.size() ? initrd_[i] : std::byte{0});
}

TEST_F(Dom0, IsToldOfTheScreenBehindItsStartInfo) {
    dom0_vga_console_info_t console{};
    console.video_type = XEN_VGATYPE_VESA_LFB;
    console.u.vesa_lfb.width = 1024;
    Built built{file_, {}, {}, console};
    EXPECT_EQ(built.info().console.dom0.info_off, 1168U);
    EXPECT_EQ(built.info().console.dom0.info_size, 40U);
    EXPECT_EQ(built.at(built.state().start_info + 1168), std::byte{XEN_VGATYPE_VESA_LFB});
    EXPECT_EQ(built.word(built.state().start_info + 1168) >> 32 & 0xffff, 1024U);
}

TEST_F(Dom0, StartsAtItsEntryWithAStackOfItsOwn) {
    Built built{file_};
    auto const& state = built.state();
    vcpu_guest_context_t context;
    build::fill_context(state, context);
    EXPECT_EQ(context.user_regs.rip, test::kLinuxBase + 0x1003010);
    EXPECT_EQ(context.user_regs.rsi, state.start_info.raw());
    EXPECT_EQ(context.user_regs.rsp, built.layout().address_of(built.layout().stack + 1).raw());
    EXPECT_EQ(context.user_regs.rflags, 0x202U);
    EXPECT_EQ(context.user_regs.cs, 0xe033);
    EXPECT_EQ(context.user_regs.ss, 0xe02b);
    EXPECT_EQ(context.user_regs.ds | context.user_regs.es | context.user_regs.fs | context.user_regs.gs, 0);
    EXPECT_EQ(context.user_regs.rax | context.user_regs.rdi | context.user_regs.r15, 0U);
    EXPECT_EQ(context.kernel_ss, 0xe02bU);
    EXPECT_EQ(context.kernel_sp, context.user_regs.rsp);
    EXPECT_EQ(context.ctrlreg[3], state.l4.raw() << 12);
    EXPECT_EQ(context.ctrlreg[1], 0U);
    EXPECT_EQ(context.flags, static_cast<unsigned long>(VGCF_in_kernel));
    EXPECT_EQ(context.gdt_ents, 0U);
    // The stack is there, writable and clean.
    EXPECT_EQ(built.word(state.rsp + ~std::uint64_t{7}), 0U);
    EXPECT_EQ(built.leaf(state.rsp + ~std::uint64_t{7}) & kWritable, kWritable);
}

TEST_F(Dom0, WritesOnlyWhatBelongsToTheLayout) {
    Built built{file_, initrd_};
    auto const& layout = built.layout();
    EXPECT_FALSE(built.domain().touched(Pfn{0}));
    EXPECT_FALSE(built.domain().touched(layout.stack + 1));
    EXPECT_FALSE(built.domain().touched(Pfn{kPages - 1}));
}

TEST_F(Dom0, WithoutItsNotesFindsEverythingInTheMapping) {
    for (std::uint64_t const base : {std::uint64_t{0}, std::uint64_t{0xffffffff80000000}}) {
        auto const file = test::plain_guest(base);
        Built built{file, initrd_};
        auto const info = built.info();
        EXPECT_EQ(info.flags, 3U);
        EXPECT_EQ(info.first_p2m_pfn, 0U);
        EXPECT_EQ(info.nr_p2m_frames, 0U);
        EXPECT_EQ(built.at(Vaddr{info.mod_start}), std::byte{0x77});
        EXPECT_EQ(built.word(Vaddr{info.mfn_list} + 8 * 1234), built.domain().gfn_of(Pfn{1234}).raw());
    }
}

TEST_F(Dom0, GetsAHypercallPageIfItAsksForOne) {
    auto const file = test::plain_guest(0);
    Built built{file};
    EXPECT_EQ(built.at(Vaddr{0x101000}), std::byte{0x51});
    EXPECT_EQ(built.at(Vaddr{0x100000}), std::byte{0x44});
    EXPECT_EQ(built.at(Vaddr{0x102000}), std::byte{0x44});
}

class Dom0Refusal : public testing::Test {
  protected:
    std::string refusal(base::Bytes file, std::uint64_t nr_pages, std::string_view line, std::string_view more = {}) {
        auto const kernel = build::open_kernel(file).value();
        test::FakeDomain domain{kPages};
        auto const result = build_dom0(domain, {.kernel = kernel,
                                                .nr_pages = nr_pages,
                                                .initrd = {},
                                                .command_line = line,
                                                .more_arguments = more,
                                                .shared_info = {}});
        EXPECT_TRUE(domain.m2p.empty() || result) << "refused, but has written";
        return result ? "" : std::string{result.error().reason};
    }
};

TEST_F(Dom0Refusal, OfAKernelThatCannotBeDomainZero) {
    auto const notes = test::NotesBuilder{}.number(XEN_ELFNOTE_ENTRY, 0).number(XEN_ELFNOTE_SUPPORTED_FEATURES, 1);
    auto const file = test::ElfBuilder{}.load(0, 0, test::filled(8, 1), 8).notes(notes).file();
    EXPECT_NE(refusal(file, kPages, "").find("cannot be domain 0"), std::string::npos);
}

TEST_F(Dom0Refusal, OfACommandLineThatIsTooLong) {
    std::string const longest(1023, 'x');
    EXPECT_EQ(refusal(test::plain_guest(), kPages, longest), "");
    EXPECT_NE(refusal(test::plain_guest(), kPages, longest, "y").find("command line"), std::string::npos);
    EXPECT_NE(refusal(test::plain_guest(), kPages, longest + "x").find("command line"), std::string::npos);
}

TEST_F(Dom0Refusal, OfTooLittleMemory) {
    EXPECT_NE(refusal(test::linux_like(), 0x1000, "").find("too little memory"), std::string::npos);
}

} // namespace
