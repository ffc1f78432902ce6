/// Page tables by hypercall: what the guests' tests cannot see of them (docs/abi.md §3.3, docs/shadow-paging.md).
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class PageTables : public Kernel {
  protected:
    shadow_pt::UseWord word(std::uint64_t frame) { return info(frame).state.word(); }
    bool free_for_any_use(std::uint64_t frame) { return word(frame) == shadow_pt::UseWord{shadow_pt::Use::none, 0}; }

    /// An L3 in blank(0) over L2s in blank(1) and on, none of them a table yet.
    std::uint64_t tree(std::uint64_t children) {
        for (std::uint64_t i = 0; i < children; ++i)
            EXPECT_EQ(update(blank(0), i, blank(1 + i) << 12 | kWritable), 0);
        return blank(0);
    }
    domain::ShadowPool& pool() { return hypervisor.dom0->host.pool(); }
    /// The pool has no pages left, nor has the machine.
    void take_all_memory() {
        while (pool().size().in_use != pool().size().pages)
            ASSERT_TRUE(pool().take().ok());
        auto& allocator = hypervisor.system->allocator;
        for (unsigned order = mm::kMaxOrder + 1; order-- > 0;)
            while (allocator.allocate({.order = order, .contents = mm::Contents::any}).ok())
                ;
    }
    void give_one_page_back() {
        auto const page = base::Mfn{frame_taken_};
        pool().give(page, hypervisor.system->flush_clock.clock().now());
        hypervisor.system->flush_clock.flush_here();
    }
    void take_one_page() { frame_taken_ = pool().take().value().raw(); }

    std::uint64_t frame_taken_ = 0;
};

TEST_F(PageTables, ThePoolKeepsNoMoreIdlePagesThanItsFloorAndGivesTheOthersBack) { // SP-10
    auto const idle = [&] { return pool().size().pages - pool().size().in_use; };
    auto const floor = domain::ShadowPool::floor_for(pages_at_first);
    EXPECT_LE(idle(), floor);
    auto const free_frames = [&] {
        auto const memory = hypervisor.system->allocator.statistics();
        return memory.free + memory.quarantined;
    };
    auto const before = free_frames();
    std::vector<base::Mfn> taken;
    while (taken.size() < 2 * floor)
        taken.push_back(pool().take().value());
    EXPECT_LT(free_frames(), before);
    for (auto const page : taken)
        pool().give(page, hypervisor.system->flush_clock.clock().now());
    EXPECT_EQ(idle(), floor);
    EXPECT_GE(free_frames() + floor, before);
}

TEST_F(PageTables, APageIsClearedOrCopiedIfItMayBeWritten) {
    auto const copy = [&](std::uint64_t to, std::uint64_t from) {
        ::mmuext_op operation{};
        operation.cmd = MMUEXT_COPY_PAGE;
        operation.arg1.mfn = to;
        operation.arg2.src_mfn = from;
        return call(__HYPERVISOR_mmuext_op, put(operation, 0xf00), 1, 0, DOMID_SELF);
    };
    auto const page = frame_at(kPage);
    auto const root = hypervisor.vcpu().kernel_root.gfn.raw();
    hypervisor.put(kPage + 0xff8, std::uint64_t{42});
    EXPECT_EQ(copy(frame_at(kOtherPage), page), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kOtherPage + 0xff8), 42U);
    EXPECT_EQ(extended(MMUEXT_CLEAR_PAGE, page), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage + 0xff8), 0U);

    auto const slot = base::table_index(base::Vaddr{Hypervisor::kVirtBase}, 4);
    EXPECT_EQ(copy(page, root), 0) << "a table's entries are the guest's to read";
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage + slot * 8), arch::frame_as<std::uint64_t>(base::Mfn{root})[slot]);
    EXPECT_EQ(copy(root, page), kEinval) << "and not to write so";
    EXPECT_EQ(extended(MMUEXT_CLEAR_PAGE, root), kEinval);
    EXPECT_EQ(extended(MMUEXT_CLEAR_PAGE, ~std::uint64_t{0}), kEinval);
    EXPECT_EQ(copy(page, hypervisor.machine.frames()), kEinval);
    EXPECT_EQ(extended(MMUEXT_MARK_SUPER, page), kEopnotsupp);
    EXPECT_EQ(extended(MMUEXT_UNMARK_SUPER, page), kEopnotsupp);
    EXPECT_EQ(extended(21, page), kEnosys);
}

TEST_F(PageTables, APinThatIsPreemptedGoesOnUntilAllBelowIsATable) {
    auto const root = tree(6);
    time_flies();
    EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, root), 0);
    EXPECT_GE(hypervisor.continued, 5U);
    for (std::uint64_t i = 1; i <= 6; ++i)
        EXPECT_EQ(word(blank(i)).use(), shadow_pt::Use::l2);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, root), 0);
    for (std::uint64_t i = 0; i <= 6; ++i)
        EXPECT_TRUE(free_for_any_use(blank(i)));
}

TEST_F(PageTables, APinThatIsNeverContinuedHoldsNothingAnotherCannotFinishOrUndo) {
    auto const root = tree(6);
    time_flies();
    hypervisor.most_continuations = 2;
    extended(MMUEXT_PIN_L3_TABLE, root);
    ASSERT_TRUE(word(root).partial());
    hypervisor.most_continuations = ~0U;
    EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, root), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, root), 0);
    for (std::uint64_t i = 0; i <= 6; ++i)
        EXPECT_TRUE(free_for_any_use(blank(i)));
}

TEST_F(PageTables, APinThatIsRefusedInTheMiddleLeavesNoTableBehind) {
    auto const root = tree(5);
    ASSERT_EQ(update(blank(4), 3, frame_at(kPage) << 12 | kWritable), 0); // an L1 cannot be where a page is mapped
    for (bool const preempted : {false, true}) {
        if (preempted)
            time_flies();
        EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, root), kEinval);
        for (std::uint64_t i = 0; i <= 5; ++i)
            EXPECT_TRUE(free_for_any_use(blank(i))) << i;
    }
}

TEST_F(PageTables, ARootForWhichNoPageIsFreeTakesThatOfAShadowWhichNobodyNeedsNow) { // SP-10
    auto const root = blank(7);
    auto const slot = base::table_index(base::Vaddr{Hypervisor::kVirtBase}, 4);
    auto const old = hypervisor.vcpu().kernel_root.tables;
    ASSERT_EQ(update(root, slot, arch::frame_as<std::uint64_t>(old.table)[slot]), 0);
    take_all_memory();
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, root), 0);
    EXPECT_EQ(hypervisor.vcpu().kernel_root.tables.table.raw(), root);
    EXPECT_GT(hypervisor.dom0->paging.counters().shadows_evicted, 0U);
}

TEST_F(PageTables, ATableThatFoundNoPageIsOneAllTheSameAndGetsItsShadowWhenItIsARoot) { // SP-10
    auto const root = blank(7);
    auto const slot = base::table_index(base::Vaddr{Hypervisor::kVirtBase}, 4);
    ASSERT_EQ(update(root, slot, arch::frame_as<std::uint64_t>(hypervisor.vcpu().kernel_root.tables.table)[slot]), 0);
    take_one_page();
    take_all_memory();
    ASSERT_EQ(extended(MMUEXT_PIN_L4_TABLE, root), 0);
    EXPECT_TRUE(word(root).bare());
    EXPECT_EQ(extended(MMUEXT_PIN_L4_TABLE, root), kEinval) << "it is pinned already";
    give_one_page_back();
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, root), 0);
    EXPECT_FALSE(word(root).bare());
    EXPECT_EQ(hypervisor.vcpu().kernel_root.tables.table.raw(), root);
}

TEST_F(PageTables, ATreeThatWasEvictedIsOneOfTablesUntilItIsUnpinned) { // SP-3, SP-10
    auto const root = tree(2);
    ASSERT_EQ(extended(MMUEXT_PIN_L3_TABLE, root), 0);
    static_cast<void>(hypervisor.dom0->paging.shed(0));
    ASSERT_TRUE(word(root).bare());
    for (std::uint64_t i = 0; i <= 2; ++i)
        EXPECT_TRUE(shadow_pt::is_table(word(blank(i)).use()));
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, root), 0);
    for (std::uint64_t i = 0; i <= 2; ++i)
        EXPECT_TRUE(free_for_any_use(blank(i)));
}

TEST_F(PageTables, AnotherDomainsFramesAreMappedByTheirOwnNumbersOrNotAtAll) {
    auto const map = [&](std::uint64_t address, std::uint64_t entry, std::uint64_t whose) {
        return call(__HYPERVISOR_update_va_mapping_otherdomain, address, entry, UVMF_INVLPG, whose);
    };
    EXPECT_EQ(map(kPage, blank(0) << 12 | kWritable, DOMID_SELF), 0);
    EXPECT_EQ(map(kPage, 0xfee0'1000 | kWritable, DOMID_IO), 0) << "a device's page";
    EXPECT_EQ(map(kPage, blank(0) << 12 | kWritable, DOMID_IO), kEperm) << "RAM is no device's";
    EXPECT_EQ(map(kPage, blank(0) << 12 | kWritable, DOMID_XEN), kEperm);
    EXPECT_EQ(map(kPage, blank(0) << 12 | kWritable, 5), kEsrch);
    EXPECT_EQ(map(kHole, blank(0) << 12 | kWritable, DOMID_SELF), kEinval);
    EXPECT_EQ(map(kNowhere, blank(0) << 12 | kWritable, DOMID_SELF), kEinval);
}

/// An L1 of the kernel's, and its entry for @p address.
struct Entry {
    std::uint64_t table;
    std::uint64_t index;
    [[nodiscard]] mmu_update_t becomes(std::uint64_t value) const {
        return {.ptr = table << 12 | index * 8, .val = value};
    }
};

TEST_F(PageTables, RequestsOfAllKindsAreCarriedOutInTheirOrder) {
    auto const at = [&](std::uint64_t address) {
        auto const walk = hypervisor.dom0->paging.walk(hypervisor.vcpu().kernel_root.tables, base::Vaddr{address});
        return Entry{walk.step[3].table.raw(), base::table_index(base::Vaddr{address}, 1)};
    };
    auto const page = at(kPage);
    auto const other = at(kOtherPage);
    ASSERT_EQ(page.table, other.table) << "two of one L1";
    auto const first = blank(0), second = blank(1), third = blank(2);
    std::array const requests{page.becomes(first << 12 | kWritable), other.becomes(second << 12 | kReadOnly),
                              mmu_update_t{.ptr = third << 12 | MMU_MACHPHYS_UPDATE, .val = 7},
                              mmu_update_t{.ptr = third << 12, .val = 42}, other.becomes(second << 12 | kWritable)};
    auto const done = put(std::uint32_t{9}, 0x800);
    for (bool const ahead : {false, true}) { // on a page that the hypervisor has just written, which it reads ahead
        auto const list = hypervisor.put(kScratch, requests);
        if (!ahead)
            hypervisor.system->this_cpu().kernel_pages.forget();
        EXPECT_EQ(call(__HYPERVISOR_mmu_update, list, requests.size(), done, DOMID_SELF), 0);
        EXPECT_EQ(get<std::uint32_t>(0x800), requests.size());
        hypervisor.put(kPage, std::uint64_t{1});
        hypervisor.put(kOtherPage, std::uint64_t{2});
        EXPECT_EQ(*arch::frame_as<std::uint64_t>(base::Mfn{first}), 1U);
        EXPECT_EQ(*arch::frame_as<std::uint64_t>(base::Mfn{second}), 2U);
        EXPECT_EQ(*arch::frame_as<std::uint64_t>(base::Mfn{third}), 42U);
        EXPECT_EQ(arch::machine_to_phys()[third], 7U);
        ASSERT_EQ(call(__HYPERVISOR_mmu_update,
                       put(mmu_update_t{.ptr = third << 12 | MMU_MACHPHYS_UPDATE, .val = pages_at_first - 3}, 0xf00), 1,
                       0, DOMID_SELF),
                  0);
    }
}

TEST_F(PageTables, OfTheRequestsForOneL1ThoseBeforeARefusedOneStand) {
    auto const walk = hypervisor.dom0->paging.walk(hypervisor.vcpu().kernel_root.tables, base::Vaddr{kPage});
    Entry const page{walk.step[3].table.raw(), base::table_index(base::Vaddr{kPage}, 1)};
    Entry const other{page.table, page.index + 1};
    auto const list =
        put(std::array{page.becomes(blank(0) << 12 | kWritable), other.becomes(page.table << 12 | kWritable),
                       page.becomes(blank(1) << 12 | kWritable)});
    auto const done = put(std::uint32_t{9}, 0x800);
    EXPECT_EQ(call(__HYPERVISOR_mmu_update, list, 3, done, DOMID_SELF), kEbusy) << "a table is not mapped writable";
    EXPECT_EQ(get<std::uint32_t>(0x800), 1U);
    hypervisor.put(kPage, std::uint64_t{5});
    EXPECT_EQ(*arch::frame_as<std::uint64_t>(base::Mfn{blank(0)}), 5U);
}

TEST_F(PageTables, AnEntryThatGainsWritingIsRefusedIfItsFrameHasBecomeATable) {
    ASSERT_EQ(remap(kPage, blank(0) << 12 | kReadOnly), 0);
    ASSERT_EQ(extended(MMUEXT_PIN_L1_TABLE, blank(0)), 0);
    EXPECT_EQ(remap(kPage, blank(0) << 12 | kWritable), kEbusy);
    ASSERT_EQ(extended(MMUEXT_UNPIN_TABLE, blank(0)), 0);
    EXPECT_EQ(remap(kPage, blank(0) << 12 | kWritable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, blank(0)), kEinval) << "it can be written now";
    EXPECT_EQ(remap(kPage, blank(0) << 12 | kReadOnly), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, blank(0)), 0);
}

} // namespace
