// What a guest does with its tables: the hypercalls.
#pragma once

#include "accesses.hpp"

namespace shadow_pt_test {

class Operations : public Accesses {
  protected:
    using Accesses::Accesses;

    void operate() {
        if (auto const& roots = cpus_[current_].roots; !roots[0].valid() && chance(2))
            return new_root();
        switch (pick(31)) {
        case 28: return branch_is_cut();
        case 0:
        case 1: return chance(2) ? pin() : page_becomes_table();
        case 2: return unpin();
        case 3: return new_root();
        case 4:
        case 5:
        case 6: return update_entry();
        case 7:
        case 8:
        case 9: return update_va();
        case 10: return emulate();
        case 11: return copy();
        case 12: return hold();
        case 13: return grant();
        case 14: return memory();
        case 15:
        case 29:
        case 30: return harvest();
        case 16: return flush(static_cast<unsigned>(pick(kCpus)));
        case 17: return write_plain(machine.gfn(pick(kOwnFrames)), index(), 0), refill();
        case 18:
        case 19: return fresh_access();
        case 20: return emulate();
        default: return guest_access();
        }
    }

    /// Alone; or in the middle of all that the others do, one at a time.
    void harvest() {
        if (harvesting_)
            return;
        if (chance(2))
            return harvest_alone();
        harvesting_ = begin_harvest();
        if (harvesting_)
            start([this] { return paging.harvest(); },
                  [this](Status const&) {
                      harvesting_ = false;
                      end_harvest();
                  });
    }

    void refill() {
        auto const number = pick(kOwnFrames);
        if (machine.mfn(machine.gfn(number)).valid())
            write_plain(machine.gfn(number), index(), good_value(std::max(1U, role(number))));
    }

    void pin() {
        auto const level =
            chance(6) ? 1 + static_cast<unsigned>(pick(4)) : 4 - static_cast<unsigned>(pick(2) * pick(4));
        pin(level, chance(8) ? any_gfn() : gfn_of_role(level));
    }
    void pin(unsigned level, Gfn gfn) {
        auto const mfn = machine.mfn(gfn);
        auto const shadows = chance(3) ? Shadows::later : Shadows::now;
        start([=, this] { return paging.pin(level, gfn, shadows); },
              [=, this](Status const& status) {
                  ++(status.ok() ? did_.pins : did_.refusals);
                  if (status.ok())
                      Machine::must(reference.pins.insert(mfn.raw()).second, "pinned twice");
              });
    }
    /// As a guest makes a page table out of a page that it has just written (SP-6): no flush is asked for.
    void page_becomes_table() {
        auto const& root = cpus_[current_].roots[0];
        if (!root.valid() || starved_)
            return;
        auto const va = address_where(root.table.raw(), [&](Translation const& means) {
            return means.write() && means.leaf.kind == TargetKind::own &&
                   machine.frame(means.leaf.frame).word().count() == 1;
        });
        auto const means = reference.translate(root.table.raw(), va);
        if (!means.write())
            return;
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            if (cpus_[cpu].roots[0].table == root.table && cpus_[cpu].in_guest && cpu != current_)
                static_cast<void>(hardware_access(cpu, 0, va, {.write = true}));
        GuestEntry const now{machine.table(Mfn{means.leaf_place.table})[means.leaf_place.index]};
        FlushDebt debt;
        auto const value = chance(3) ? 0 : now.raw() & ~pte::kWrite;
        auto const status = paging.update_va(root, va, value, debt);
        pay(debt);
        wrote(means.leaf_place, now.raw(), value, UpdateMode::normal, false, status);
        after_operation();
        for (auto const& [number, frame] : machine.gfns())
            if (frame == means.leaf.frame.raw()) {
                pin(1, Gfn{number});
                break;
            }
        for (unsigned cpu = 0; cpu < kCpus; ++cpu) // with what their TLBs may still hold
            if (cpus_[cpu].roots[0].table == root.table && cpus_[cpu].in_guest)
                static_cast<void>(hardware_access(cpu, 0, va, {.write = true}));
    }
    /// As a guest takes tables away that its CPUs have just walked through, and puts them back at once (SP-11).
    void branch_is_cut() {
        auto const& root = some_root();
        if (!root.valid() || starved_)
            return;
        auto const va = good_address(root.table.raw());
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            if (auto const& theirs = cpus_[cpu].roots[root_number(root)]; theirs.valid() && cpus_[cpu].in_guest)
                static_cast<void>(hardware_access(cpu, root_number(root), va, {}));
        Place place{root.table.raw(), base::table_index(va, 4)};
        for (auto level = 4U, last = 2 + static_cast<unsigned>(pick(3)); level > last; --level) {
            if (!reference.meaning(place).present)
                return;
            place = {reference.meaning(place).frame.raw(), base::table_index(va, level - 1)};
        }
        for (auto const& [number, frame] : machine.gfns()) {
            if (frame != place.table)
                continue;
            auto const before = machine.table(Mfn{frame})[place.index];
            Gaddr const where{number << base::kPageShift | place.index * 8};
            write_through(place, where, 0);
            return write_through(place, where, before);
        }
    }
    /// An update that is gone on with until it is done, with no other CPU in between.
    void write_through(Place place, Gaddr where, std::uint64_t value) {
        auto const before = machine.table(Mfn{place.table})[place.index];
        auto status = paging.update_entry(where, value, UpdateMode::normal);
        while (!status.ok() && status.error() == Error::preempted)
            status = paging.update_entry(where, value, UpdateMode::normal);
        failed_build_ = failed_build_ || !status.ok();
        wrote(place, before, value, UpdateMode::normal, false, status);
        after_operation();
    }
    void unpin() {
        auto const mfn = reference.pins.empty() || chance(5)
                             ? machine.mfn(machine.gfn(pick(kOwnFrames)))
                             : Mfn{*std::next(reference.pins.begin(), static_cast<long>(pick(reference.pins.size())))};
        auto gfn = any_gfn();
        for (auto const& [number, frame] : machine.gfns())
            if (frame == mfn.raw())
                gfn = Gfn{number};
        auto const named = machine.mfn(gfn);
        start([=, this] { return paging.unpin(gfn); },
              [=, this](Status const& status) {
                  // Two CPUs may unpin at once, and both may have it done.
                  bool const was = named.valid() && reference.pins.erase(named.raw()) != 0;
                  Machine::must(!was || status.ok(), "a pinned table was not unpinned");
              });
    }

    /// True when nothing is left of the root that this CPU had.
    bool drop_root(unsigned root) {
        auto& leaving = cpus_[current_].leaving;
        if (!leaving.valid()) {
            leaving = std::exchange(cpus_[current_].roots[root], {});
            mmu.install(current_, root, Mfn{});
        }
        if (leaving.valid() && !paging.release_root(leaving).ok())
            return false;
        if (leaving.valid())
            reference.roots.extract(reference.roots.find(leaving.table.raw()));
        leaving = {};
        return true;
    }
    /// NEW_BASEPTR, as the domain does it: the new root first, then the old one is given back.
    void new_root() {
        auto const root = static_cast<unsigned>(pick(kRoots));
        auto const gfn = chance(8) ? any_gfn() : gfn_of_role(4);
        auto acquired = std::make_shared<std::optional<Root>>();
        start(
            [=, this]() -> Status {
                if (!*acquired) {
                    auto const fresh = paging.acquire_root(gfn);
                    if (!fresh.ok())
                        return base::Err{fresh.error()};
                    *acquired = fresh.value();
                    reference.roots.insert(fresh.value().table.raw());
                }
                if (!drop_root(root))
                    return base::Err{Error::preempted};
                return {};
            },
            [=, this](Status const& status) {
                ++(status.ok() ? did_.roots : did_.refusals);
                if (!status.ok())
                    return;
                cpus_[current_].roots[root] = **acquired;
                mmu.install(current_, root, (**acquired).shadow);
                cpus_[current_].flushed[root] = reference.now();
            });
    }

    void update_entry() {
        // Mostly an entry of a table that is in use.
        auto number = pick(kOwnFrames);
        for (int i = 0; i < 6 && !is_table(machine.gfn(number)); ++i)
            number = pick(kOwnFrames);
        auto const gfn = machine.gfn(number);
        auto const at = index();
        bool const table = is_table(gfn);
        auto const level = table ? shadow_pt::table_level(machine.use(gfn)) : std::max(1U, role(number));
        auto value = some_value(level);
        if (table && chance(3))
            value = with_other_rights(machine.word(gfn, at));
        auto const mode = chance(3) ? UpdateMode::preserve_ad : UpdateMode::normal;
        // What only a pin in the middle makes a table, the reference does not know yet.
        bool const known = table && reference.table(machine.mfn(gfn).raw()).level == 1;
        bool const foreign = (known || starved_) && level == 1 && chance(8) && may_lend();
        auto const mfn = machine.mfn(gfn);
        if (foreign)
            value = entry(machine.foreign_gfn(pick(kForeignFrames)), some_flags());
        Machine::Source const source{.foreign = foreign};
        Gaddr const where{mfn.valid() ? gfn.raw() << 12 | at * 8 : random_()};
        auto const before = mfn.valid() ? machine.table(mfn)[at] : 0;
        start([=, this] { return paging.update_entry(where, value, mode, source); },
              [=, this](Status const& status) {
                  if (mfn.valid())
                      wrote({mfn.raw(), at}, before, value, mode, foreign, status);
              });
    }

    void update_va() {
        auto const& root = some_root();
        if (!root.valid())
            return;
        auto const va = good_address(root.table.raw());
        auto const means = reference.translate(root.table.raw(), va);
        auto const place = means.leaf_place;
        auto const before = means.present ? machine.table(Mfn{place.table})[place.index] : 0;
        bool const foreign = chance(10) && may_lend();
        auto const value = foreign                      ? entry(machine.foreign_gfn(pick(kForeignFrames)), some_flags())
                           : means.present && chance(2) ? with_other_rights(before)
                                                        : some_value(1);
        FlushDebt debt;
        auto const status = paging.update_va(root, va, value, debt, Machine::Source{.foreign = foreign});
        pay(debt);
        if (!means.present) {
            if (status.ok())
                observe_unknown_write(va);
            return;
        }
        wrote(place, before, value, UpdateMode::normal, foreign, status);
        if (!status.ok())
            return;
        after_operation();
        // One that processors could have cached, and that allows less now. By an entry without D nobody can write: if one still can
        // since the guest took its D, the guest owes the flush; as for an A that it took.
        auto const now = reference.meaning(place);
        auto const& leaf = means.leaf;
        bool const wrote = leaf.write && GuestEntry{before}.dirty();
        bool const narrowed =
            !now.present || now.frame != leaf.frame || (wrote && !now.write) || (leaf.execute && !now.execute);
        if (narrowed && GuestEntry{before}.accessed())
            means_it_now(current_, root_number(root), va);
    }
    /// The entry was not present, so the reference could not say where it lies: all that changed is taken as it is.
    void observe_unknown_write(Vaddr va) {
        for (std::uint64_t mfn = kFirstOwn; mfn < kFirstOwn + kOwnFrames; ++mfn)
            note_written({mfn, base::table_index(va, 1)}, pte::kDirty);
        lent_scan_ = true;
    }

    /// Ballooning. Numbers change their meaning only while no operation waits in the middle.
    void memory() {
        if (!quiet())
            return;
        auto const gfn = chance(5) ? machine.gfn(pick(kOwnFrames)) : gfn_of_role(0);
        machine.reclaim(!machine.translated() || chance(2) ? Owner::own : Owner::foreign);
        if (machine.mfn(gfn).valid()) {
            if (chance(20))
                machine.give_up(gfn, paging.bare_tables() > 0);
        } else if (machine.populate(gfn)) {
            for (auto const at : kIndices)
                note_written({machine.mfn(gfn).raw(), at}, 0);
        }
    }
};

} // namespace shadow_pt_test
