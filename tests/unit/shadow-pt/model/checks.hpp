// What must be true after each operation.
#pragma once

#include "stage.hpp"

namespace shadow_pt_test {

class Checks : public Stage {
  protected:
    using Stage::Stage;

    [[nodiscard]] bool quiet() const {
        return std::none_of(cpus_.begin(), cpus_.end(), [](Cpu const& cpu) { return bool{cpu.pending}; });
    }
    Meaning meaning_at(Place place) const { return reference.meaning(place); }
    bool is_table(Gfn gfn) { return machine.mfn(gfn).valid() && shadow_pt::is_table(machine.use(gfn)); }

    /// What must hold of an entry after the guest wrote it.
    void wrote(Place place, std::uint64_t before, std::uint64_t value, UpdateMode mode, bool foreign,
               Status const& status) {
        auto const now = machine.table(Mfn{place.table})[place.index];
        if (!status.ok()) {
            // Others may have written there since a preempted operation began: then nothing can be said.
            return;
        }
        auto const kept = mode == UpdateMode::preserve_ad ? before & (pte::kAccessed | pte::kDirty) : 0;
        may_be_dirty_[place] = ((value | kept | now) & pte::kDirty) != 0;
        written_place_ = place;
        if (foreign && (value & pte::kPresent) != 0 && is_l1_table(place)) {
            ++did_.lent;
            for (std::uint64_t mfn = kFirstForeign; mfn < kFirstForeign + kForeignFrames; ++mfn)
                if (machine.shown_foreign(Mfn{mfn}) == GuestEntry{now}.frame())
                    written_lent_ = Mfn{mfn};
        }
    }
    bool is_l1_table(Place place) { return machine.frame(Mfn{place.table}).use() == Use::l1; }

    void pay(FlushDebt& debt) {
        auto const owed = debt.take();
        if (owed.local.all())
            flush(current_);
        for (auto const page : owed.local.pages())
            mmu.flush_page(current_, page);
        for (unsigned cpu = 0; cpu < kCpus && !owed.remote.nothing(); ++cpu)
            flush(cpu);
    }

    /// What log-dirty does: the vCPUs' roots told, D bits into the log, one flush (SP-19 to SP-22).
    /// False if there is no memory for it.
    [[nodiscard]] bool begin_harvest() {
        auto const tracker = chance(2) ? Tracker::harvest : Tracker::write_protect;
        if (auto const started = paging.start_tracking(tracker); started.ok()) {
            tracker_ = tracker;
            take_dirty_bits(); // what was written before is nobody's concern
            ++did_.trackings;
        } else if (started.error() != Error::exists) {
            return false;
        }
        for (auto const& cpu : cpus_)
            for (auto const& root : cpu.roots)
                if (root.valid())
                    paging.starts_at(root);
        if (chance(8))
            paging.starts_everywhere();
        return true;
    }
    /// From here on the pages in the log, and no others, are what the log's reader has.
    void end_harvest() {
        ++did_.harvests;
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            flush(cpu);
        check_log();
        for (auto const mfn : machine.log)
            if (mfn < kFirstSpecial)
                see(mfn);
        std::erase_if(written_, [&](auto const& one) { return machine.log.contains(one.first); });
        machine.log.clear();
        if (chance(16))
            paging.stop_tracking();
    }
    /// While nobody else is at work, as at the end of a migration: no D bit is overlooked.
    void harvest_alone() {
        bool const before = std::exchange(inside_moment_, true);
        bool const begun = begin_harvest();
        while (begun && !paging.harvest().ok())
            ;
        inside_moment_ = before;
        if (!begun)
            return;
        auto const known = within_reach();
        for_each_leaf([&](std::uint64_t leaf, Mfn shadow) {
            bool const in_use = known.contains(shadow.raw());
            Machine::must(!in_use || (leaf & pte::kDirty) == 0 || !tracked(leaf),
                          "a harvest has overlooked a dirty bit");
            bool const may_write = tracker_ == Tracker::write_protect && tracked(leaf) && (leaf & pte::kWrite) != 0;
            Machine::must(!in_use || !may_write, "a harvest has overlooked a leaf that may write");
        });
        end_harvest();
    }

    /// The shadows that a CPU walks through now, or may later: those of its roots, those of tables that have a number, and what these
    /// lead to. A pinned table whose number is given up, and to which no entry leads, nobody can ever walk through.
    [[nodiscard]] std::set<std::uint64_t> within_reach() {
        std::vector<Mfn> ahead;
        auto const add = [&](Mfn table) {
            if (shadow_pt::is_table(machine.frame(table).use()) && machine.frame(table).link().valid())
                ahead.push_back(machine.frame(table).link());
        };
        for (auto const& cpu : cpus_)
            for (auto const& root : cpu.roots)
                if (root.valid())
                    add(root.table);
        for (auto const& [number, frame] : machine.gfns())
            add(Mfn{frame});
        std::set<std::uint64_t> known;
        while (!ahead.empty()) {
            auto const shadow = ahead.back();
            ahead.pop_back();
            if (!known.insert(shadow.raw()).second || ShadowPage{machine.frame(shadow)}.level() == 1)
                continue;
            for (auto const at : kIndices)
                if (shadow_pt::ShadowEntry const entry{machine.table(shadow)[at]}; !entry.empty() && !entry.is_absent())
                    ahead.push_back(entry.frame());
        }
        return known;
    }

    /// Whether the tracker finds what is written by @p leaf.
    [[nodiscard]] bool tracked(std::uint64_t leaf) const {
        return tracker_ == Tracker::harvest || shadow_pt::ShadowEntry{leaf}.kind() == TargetKind::own;
    }

    void take_dirty_bits() {
        for_each_leaf([&](std::uint64_t& leaf, Mfn) {
            if ((leaf & pte::kDirty) != 0)
                machine.log.insert((leaf & pte::kFrame) >> base::kPageShift);
            leaf &= ~pte::kDirty;
        });
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            flush(cpu);
    }

    /// With the leaf's shadow; what one holds whose table has left it goes to the log when it is given back.
    template <typename Visit> void for_each_leaf(Visit&& visit) {
        for (std::uint64_t mfn = kFirstShadow; mfn < kFrames; ++mfn) {
            ShadowPage const page{machine.frame(Mfn{mfn})};
            if (!page.is_shadow() || page.level() != 1)
                continue;
            for (auto const at : kIndices)
                visit(machine.table(Mfn{mfn})[at], Mfn{mfn});
        }
    }

    /// SP-5: no write is forgotten, not even of a page that nobody maps any more.
    void check_log() {
        std::set<std::uint64_t> known = machine.log;
        for_each_leaf([&](std::uint64_t leaf, Mfn) {
            if ((leaf & pte::kDirty) != 0)
                known.insert((leaf & pte::kFrame) >> base::kPageShift);
        });
        for (auto const& [mfn, life] : written_)
            Machine::must(known.contains(mfn) || machine.life(Mfn{mfn}) != life, "a written page is in no log");
        for (std::uint64_t mfn = kFirstOwn; mfn < kFirstSpecial; ++mfn) {
            if (machine.life(Mfn{mfn}) != image_lives_[mfn])
                see(mfn); // it begins anew
            else if (!known.contains(mfn))
                for (auto const at : kIndices)
                    Machine::must(machine.table(Mfn{mfn})[at] == image_[{mfn, at}], "a change is in no log");
        }
    }
    /// The log's reader has a copy of the frame now.
    void see(std::uint64_t mfn) {
        image_lives_[mfn] = machine.life(Mfn{mfn});
        for (auto const at : kIndices)
            image_[{mfn, at}] = machine.table(Mfn{mfn})[at];
    }

    void after_operation() {
        if (starved_) {
            hits_.clear();
            check_log();
            return;
        }
        if (lent_scan_)
            find_lent();
        reference.observe(written_place_, written_lent_);
        written_place_ = {};
        written_lent_ = {};
        for (auto const& hit : hits_)
            Machine::must(reference.could_mean({hit.from.raw()}, hit.flushed, hit.va, hit.frame, hit.want.write,
                                               hit.want.execute),
                          "the MMU did what the guest's tables never allowed");
        hits_.clear();
        check_log();
        for_each_table([&](std::uint64_t table, unsigned level) {
            for (auto const at : kIndices) {
                GuestEntry const now{machine.table(Mfn{table})[at]};
                bool const dirty = level == 1 && now.present() && now.dirty();
                Machine::must(!dirty || may_be_dirty_[{table, at}] != 0, "a guest's entry is dirty without a write");
            }
        });
        if (quiet()) {
            // A failed build may leave remains; after anything else, what was given up is given up (SP-9).
            while (std::exchange(failed_build_, false) && !paging.settle().ok())
                failed_build_ = true;
            give_up_orphans();
            reference.nothing_pends();
            reference.check_counts();
            for (auto const& [gfn, mfn] : machine.gfns())
                Machine::must(!shadow_pt::is_table(machine.frame(Mfn{mfn}).use()) || machine.told_tables.contains(gfn),
                              "a frame became a table, and nobody was told");
            if (chance(8))
                for_each_table([&](std::uint64_t table, unsigned) { paging.check_invariants(Mfn{table}); });
        }
    }
    /// A build that was preempted is an orphan if its operation, made again, found that the world had changed: another
    /// CPU had taken the table above away. It stays until somebody wants the table, or its domain dies.
    void give_up_orphans() {
        for (std::uint64_t mfn = kFirstOwn; mfn < kFirstShadow; ++mfn) {
            auto const word = machine.frame(Mfn{mfn}).word();
            if (!shadow_pt::is_table(word.use()) || word.count() != 0)
                continue;
            Machine::must(word.partial() && !word.locked(), "a ready table that nobody uses");
            while (!paging.relinquish(Mfn{mfn}).ok() || !paging.settle().ok())
                ;
        }
    }
    /// Finds the entry that update_va made with a foreign frame where the reference knew of none.
    void find_lent() {
        lent_scan_ = false;
        for_each_table([&](std::uint64_t mfn, unsigned level) {
            if (!machine.frame(Mfn{mfn}).link().valid())
                return; // only a shadow holds what another domain lent; an unread table may say anything
            for (auto const at : kIndices) {
                GuestEntry const now{machine.table(Mfn{mfn})[at]};
                if (level != 1 || !now.present() || meaning_at({mfn, at}).present)
                    continue;
                for (auto frame = kFirstForeign; frame < kFirstForeign + kForeignFrames; ++frame)
                    if (machine.shown_foreign(Mfn{frame}) == now.frame()) {
                        written_place_ = {mfn, at};
                        written_lent_ = Mfn{frame};
                    }
            }
        });
    }
    template <typename Visit> void for_each_table(Visit&& visit) {
        for (std::uint64_t mfn = kFirstOwn; mfn < kFirstShadow; ++mfn)
            if (auto const level = reference.table(mfn).level; level != 0)
                visit(mfn, level);
    }
};

} // namespace shadow_pt_test
