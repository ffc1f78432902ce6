// What a guest does with its memory, and the hypervisor on its behalf.
#pragma once

#include "checks.hpp"

namespace shadow_pt_test {

class Accesses : public Checks {
  protected:
    using Checks::Checks;

    Root const& some_root() {
        auto const& roots = cpus_[current_].roots;
        return roots[chance(3) && roots[1].valid() ? 1 : 0];
    }

    [[nodiscard]] unsigned root_number(Root const& root) const {
        return static_cast<unsigned>(&root - cpus_[current_].roots.data());
    }

    /// Starts an operation. It is called until it is not preempted; @p done then hears the answer.
    void start(std::function<Status()> attempt, std::function<void(Status const&)> done) {
        cpus_[current_].pending = [this, attempt = std::move(attempt), done = std::move(done)] {
            auto const status = attempt();
            if (!status.ok() && status.error() == Error::preempted)
                return false;
            failed_build_ = failed_build_ || !status.ok();
            done(status);
            return true;
        };
        resume();
    }
    void resume() {
        auto& cpu = cpus_[current_];
        bool const done = cpu.pending();
        if (done)
            cpu.pending = nullptr;
        else
            ++did_.preemptions;
    }

    /// An access of this CPU, and what the hypervisor makes of its fault.
    void guest_access() {
        auto& cpu = cpus_[current_];
        enter(current_);
        auto const root = root_number(some_root());
        if (!cpu.roots[root].valid())
            return;
        auto const va = chance(4) ? some_address() : good_address(cpu.roots[root].table.raw());
        MmuAccess const want{chance(2), chance(5)};
        auto const result = hardware_access(current_, root, va, want);
        if (!result.frame)
            static_cast<void>(handle_fault(root, va, want, result.error_code));
    }

    /// True if the guest is to try again.
    bool handle_fault(unsigned root, Vaddr va, MmuAccess want, std::uint32_t error_code) {
        auto const& tables = cpus_[current_].roots[root];
        auto const means = reference.translate(tables.table.raw(), va);
        auto answer = paging.handle_fault(tables, va, error_code);
        bool const allowed = means.present && (!want.write || means.write()) && (!want.execute || means.execute);
        // What a preempted operation was just giving up is wanted again: then the guest is to try once more.
        for (int tries = 0; tight_ && !allowed && answer.action == FaultAction::retry && tries < 100; ++tries)
            answer = paging.handle_fault(tables, va, error_code);
        if (starved_)
            return answer.action == FaultAction::retry;
        bool const waits = !allowed && answer.action == FaultAction::retry;
        if (tight_ && (waits || answer.action == FaultAction::stuck)) {
            Machine::must(!has_room(), "no page for a shadow");
            return false;
        }
        if (allowed) {
            if (want.write)
                may_be_dirty_[means.leaf_place] = true;
            Machine::must(answer.action == FaultAction::retry, "an allowed access was not");
            return true;
        }
        bool const to_table = means.present && want.write && means.upper_write && !means.leaf.write &&
                              means.leaf.kind == TargetKind::own && machine.frame(means.leaf.frame).use() == Use::l1;
        Machine::must(answer.action == (to_table ? FaultAction::emulate : FaultAction::reflect),
                      "a forbidden access was not the guest's fault");
        Machine::must(((answer.error_code & shadow_pt::fault::kProtection) != 0) == means.present,
                      "the error code does not tell of the guest's entries");
        Machine::must(((answer.error_code ^ error_code) & ~shadow_pt::fault::kProtection) == 0, "an error code");
        return false;
    }

    /// What is owed has been paid: no translation of @p va from before is left on @p cpu.
    void means_it_now(unsigned cpu, unsigned root, Vaddr va) {
        auto const& tables = cpus_[cpu].roots[root];
        if (starved_ || !cpus_[cpu].in_guest || !tables.valid())
            return;
        MmuAccess const want{chance(2), chance(5)};
        auto const reached = hardware_access(cpu, root, va, want).frame;
        auto const means = reference.translate(tables.table.raw(), va);
        Machine::must(!reached || (means.present && *reached == means.leaf.frame && (!want.write || means.write()) &&
                                   (!want.execute || means.execute)),
                      "a translation outlived the flush that was owed");
    }

    /// After a flush, all that the tables allow must work, and leave its marks.
    void fresh_access() {
        auto& cpu = cpus_[current_];
        if (!cpu.roots[0].valid() || starved_)
            return;
        enter(current_);
        flush(current_);
        auto const table = cpu.roots[0].table.raw();
        auto const va = good_address(table);
        MmuAccess const want{chance(2), chance(5)};
        auto const means = reference.translate(table, va);
        for (int tries = 0; tries < (tight_ ? 100 : 3); ++tries) {
            auto const result = hardware_access(current_, 0, va, want);
            if (result.frame) {
                Machine::must(means.present && *result.frame == means.leaf.frame, "a fresh walk reached another frame");
                GuestEntry const leaf{machine.table(Mfn{means.leaf_place.table})[means.leaf_place.index]};
                Machine::must(leaf.accessed() && (!want.write || leaf.dirty()), "an access left no mark");
                ++did_.fresh;
                return;
            }
            if (!handle_fault(0, va, want, result.error_code))
                return;
        }
        Machine::must(tight_ && !has_room(), "an allowed access does not come about");
    }

    void emulate() {
        auto const& root = some_root();
        if (!root.valid())
            return;
        auto const va = address_where(root.table.raw(), [&](Translation const& means) {
            return means.leaf.kind == TargetKind::own && machine.frame(means.leaf.frame).use() == Use::l1;
        });
        auto const means = reference.translate(root.table.raw(), va);
        auto const at = static_cast<unsigned>(va.offset() / 8);
        auto const word =
            means.present && !Machine::is_device(means.leaf.frame) ? &machine.table(means.leaf.frame)[at] : nullptr;
        auto const before = word != nullptr ? *word : 0;
        bool const unread = word != nullptr && reference.is_unread(means.leaf.frame.raw());
        std::uint64_t value = 0;
        unsigned calls = 0;
        auto const status = paging.emulate_store(root, va, [&](std::uint64_t old) {
            ++calls;
            switch (pick(4)) {
            case 0: value = old & ~(pte::kAccessed | pte::kDirty); break; // as reclaim and fork write
            case 1: value = old & ~pte::kWrite; break;
            case 2: value = 0; break;
            default: value = some_value(1);
            }
            return value;
        });
        Machine::must(calls <= 1, "a store was done twice");
        if (starved_)
            return;
        if (means.write())
            may_be_dirty_[means.leaf_place] = true; // then the guest's own instruction shall do it
        Machine::must(status.ok() ? calls == 1 : unread || word == nullptr || *word == before,
                      "a refused store left something"); // but for what was lost when the table was read
        if (!status.ok())
            return;
        Machine::must(word != nullptr && means.leaf.kind == TargetKind::own, "a store went nowhere");
        Machine::must(((*word ^ value) & ~pte::kAccessed) == 0, "a store does not read back");
        wrote({means.leaf.frame.raw(), at}, before, value, UpdateMode::normal, false, status);
    }

    /// The hypervisor's own copy to or from the guest.
    void copy() {
        auto const& root = some_root();
        if (!root.valid())
            return;
        auto const va = good_address(root.table.raw());
        shadow_pt::Access const want{.write = chance(2)};
        auto const means = reference.translate(root.table.raw(), va);
        bool const allowed = means.present && (!want.write || means.write()) && means.leaf.kind != TargetKind::device;
        auto const page = paging.resolve(root, va, want);
        if (!starved_)
            Machine::must(page.ok() == allowed || (tight_ && !has_room()),
                          "a copy was allowed otherwise than the guest itself");
        if (!page.ok())
            return;
        Machine::must(starved_ || page.value().frame == means.leaf.frame, "a copy went elsewhere");
        Machine::must(page.value().offset == va.offset(), "a copy went to another place in the page");
        if (want.write && machine.owner(page.value().frame) != Owner::hypervisor) {
            Machine::must(machine.frame(page.value().frame).use() == Use::writable, "a copy to what is not writable");
            written_.emplace(page.value().frame.raw(), machine.life(page.value().frame));
        }
        if (want.write && !starved_) {
            GuestEntry const leaf{machine.table(Mfn{means.leaf_place.table})[means.leaf_place.index]};
            Machine::must(leaf.dirty() && leaf.accessed(), "a copy left no mark");
            may_be_dirty_[means.leaf_place] = true;
        }
        paging.done(page.value());
    }

    void hold() {
        if (!reference.holds.empty() && chance(2)) {
            auto const it = std::next(reference.holds.begin(), static_cast<long>(pick(reference.holds.size())));
            auto const [mfn, use] = *it;
            reference.holds.erase(it);
            return paging.unhold(Mfn{mfn}, use);
        }
        auto const use = chance(2) ? Use::writable : Use::descriptor;
        if (auto const held = paging.hold(chance(8) ? any_gfn() : gfn_of_role(0), use); held.ok())
            reference.holds.insert({held.value().raw(), use});
    }

    void grant() {
        auto const& root = some_root();
        if (!root.valid())
            return;
        auto const va = good_address(root.table.raw());
        auto const means = reference.translate(root.table.raw(), va);
        auto const gfn = any_gfn();
        auto const at = index();
        bool const by_entry =
            chance(2) && is_table(gfn) && (starved_ || reference.table(machine.mfn(gfn).raw()).level != 0);
        auto const place = by_entry ? shadow_pt::EntryPlace::in_table(Gaddr{gfn.raw() << 12 | at * 8})
                                    : shadow_pt::EntryPlace::at_address(root, va);
        Place const where = by_entry ? Place{machine.mfn(gfn).raw(), at} : means.leaf_place;
        if (!by_entry && !means.present)
            return;
        FlushDebt debt;
        auto const frame = meaning_at(where).frame;
        if (chance(2)) {
            for (unsigned cpu = 0; cpu < kCpus; ++cpu)
                if (cpus_[cpu].in_guest && cpus_[cpu].roots[root_number(root)].valid())
                    static_cast<void>(hardware_access(cpu, root_number(root), va, {}));
            auto const unmapped = paging.unmap_grant(place, frame, debt);
            pay(debt);
            bool const lent = meaning_at(where).present && meaning_at(where).kind == TargetKind::foreign;
            Machine::must(starved_ || unmapped.ok() == lent, "a grant was unmapped wrongly");
            if (!unmapped.ok())
                return;
            ++did_.unmapped;
            wrote(where, 0, 0, UpdateMode::normal, false, unmapped);
            after_operation();
            for (unsigned cpu = 0; cpu < kCpus; ++cpu)
                means_it_now(cpu, root_number(root), va);
            return;
        }
        Mfn const granted{kFirstForeign + pick(kForeignFrames)};
        if (machine.owner(granted) != Owner::foreign || !may_lend())
            return;
        machine.count_reference(granted);
        auto const flags = pte::kUser | pte::kAccessed | pte::kDirty | (chance(2) ? pte::kWrite : 0);
        auto const mapped =
            paging.map_grant(place, {granted, TargetKind::foreign, machine.shown_foreign(granted)}, flags, debt);
        pay(debt);
        if (!mapped.ok())
            return machine.release(granted, TargetKind::foreign);
        may_be_dirty_[where] = true;
        written_place_ = where;
        written_lent_ = granted;
        ++did_.lent;
    }
};

} // namespace shadow_pt_test
