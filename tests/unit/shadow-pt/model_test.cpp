// The model test: a guest on several CPUs does whatever comes to its mind, while the MMU does whatever it may, and a
// slow, obvious reference says what it may.
//
// A run is one seed. CPUs take turns at whole operations and, where an operation is preempted, in the middle of it; the
// MMUs of the CPUs that are in the guest are at work inside of operations too, each time that shadow paging calls its
// host. What is checked:
//
//   at every access   it reaches only what the guest's tables allowed at some moment since the CPU last flushed, with
//                     any mixture of old upper and new lower entries; never a frame or shadow page in another life; a
//                     write never reaches a table, a descriptor page or a shadow
//   after a flush     what the guest's tables allow works, with A and D set as a processor would set them; what they
//                     do not allow faults with the right error code
//   after an operation  entries read back as they were written, plus A and D; D is nowhere without a write; on an
//                     error nothing changed; every page written is in the log or has its D bit in a shadow
//   when all is quiet every frame's use, count and references are what the tables add up to
//   at the end        nothing is left
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <random>

#include "machine.hpp"
#include "mmu.hpp"
#include "reference.hpp"

namespace shadow_pt_test {
namespace {

using shadow_pt::FaultAction;
using shadow_pt::FlushDebt;
using shadow_pt::GuestEntry;
using shadow_pt::Root;
using shadow_pt::ShadowPage;
using shadow_pt::UpdateMode;

enum class Memory : bool { plenty, starved };

class World {
  public:
    World(std::uint64_t seed, bool translated, Memory memory)
        : random_{seed},
          starved_{memory == Memory::starved},
          machine{translated},
          mmu{machine, random_},
          reference{machine},
          paging{machine} {
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            machine.clock().add_cpu(CpuId{cpu});
        machine.shadow_limit = starved_ ? 14 : 0;
        machine.rules_.may_choose_caching = !translated;
        machine.yield = [this] { return chance(3); };
        machine.on_moment = [this] { hardware_at_work(); };
        machine.on_retire = [this](shadow_pt::Stamp stamp) { retire(stamp); };
        machine.on_root_entry = [this](Mfn shadow, unsigned slot, std::uint64_t entry) {
            mmu.patch(shadow, slot, entry);
        };
        make_trees();
    }

    void step() {
        current_ = static_cast<unsigned>(pick(kCpus));
        auto& cpu = cpus_[current_];
        if (cpu.pending) {
            if (chance(2))
                resume();
            else
                guest_access();
        } else {
            operate();
        }
        after_operation();
        if (chance(4))
            enter_or_leave();
    }

    void end() {
        for (current_ = 0; current_ < kCpus; ++current_) { // each as itself
            while (cpus_[current_].pending)
                resume();
            for (unsigned root = 0; root < kRoots; ++root)
                while (!drop_root(root))
                    ;
        }
        for (auto const pin : reference.pins)
            while (!paging.relinquish(Mfn{pin}).ok())
                ;
        reference.pins.clear();
        for (auto const& [mfn, use] : reference.holds)
            paging.unhold(Mfn{mfn}, use);
        reference.holds.clear();
        for (std::uint64_t mfn = 0; mfn < kFirstShadow; ++mfn)
            while (!paging.relinquish(Mfn{mfn}).ok())
                ;
        while (!paging.settle().ok())
            ;
        reference.observe();
        reference.check_counts();
        Machine::must(machine.shadows_in_use() == 0, "shadow pages leaked");
    }

    [[nodiscard]] std::string statistics() const {
        return "built " + std::to_string(paging.counters().tables_built) + ", stores emulated " +
               std::to_string(paging.counters().stores_emulated) + ", hidden faults " +
               std::to_string(paging.counters().hidden_faults) + ", guest faults " +
               std::to_string(paging.counters().guest_faults) + ", accesses " + std::to_string(accesses_) +
               ", preempted " + std::to_string(preempted_) + ", lent " + std::to_string(lent_) + ", flushes " +
               std::to_string(paging.counters().flushes_for_tables) + ", translations seen " +
               std::to_string(reached_) + ", pins " + std::to_string(done_) + "/" + std::to_string(failed_) +
               ", roots " + std::to_string(roots_done_) + "/" + std::to_string(roots_failed_);
    }

  private:
    struct Cpu {
        bool in_guest = true;
        bool owes_flush = false;
        std::array<Root, kRoots> roots{};
        Root leaving{};                              ///< replaced, but not given back yet
        std::array<std::uint64_t, kRoots> flushed{}; ///< when, in the reference's time
        std::function<bool()> pending;               ///< a preempted operation; true when it is done
    };
    /// A hit of the MMU in the middle of an operation: judged when the reference has seen what the operation did.
    struct Hit {
        unsigned cpu, root;
        Vaddr va;
        Mfn frame;
        MmuAccess want;
        std::uint64_t flushed;
        Mfn from;
    };

    // --- chance --------------------------------------------------------------------------------------------------------

    std::uint64_t pick(std::uint64_t below) { return random_() % below; }
    bool chance(std::uint64_t one_in) { return pick(one_in) == 0; }
    unsigned index() { return kIndices[pick(kIndices.size())]; }

    /// Most frames have a role, so that trees come about: 4 to 1 are levels, 0 is data.
    static unsigned role(std::uint64_t number) { return std::array{4U, 3U, 2U, 1U, 1U, 0U, 0U, 0U}[number % 8]; }
    Gfn gfn_of_role(unsigned wanted) {
        for (;;) {
            auto const number = pick(kOwnFrames);
            if (role(number) == wanted)
                return machine.gfn(number);
        }
    }
    Gfn any_gfn() { return chance(30) ? Gfn{pick(2000)} : machine.gfn(pick(kOwnFrames)); }

    std::uint64_t some_flags() {
        std::uint64_t flags = pte::kUser | (chance(4) ? 0 : pte::kAccessed);
        flags |= chance(3) ? 0 : pte::kWrite;
        flags |= chance(2) ? pte::kDirty : 0;
        flags |= chance(5) ? pte::kNoExecute : 0;
        flags |= chance(8) ? std::uint64_t{1} << 58 | 1 << 9 : 0;
        if (chance(200))
            flags |= std::array{pte::kSuperpage, pte::kGlobal, pte::kCacheDisable, std::uint64_t{1} << 50}[pick(4)];
        return flags;
    }
    std::uint64_t some_value(unsigned level) {
        if (chance(5))
            return chance(2) ? 0 : random_() & ~pte::kPresent;
        if (level > 1)
            return entry(chance(40) ? any_gfn() : gfn_of_role(level - 1), some_flags());
        if (chance(12))
            return entry(chance(2) ? machine.special_gfn(pick(2)) : Gfn{kFirstDevice + pick(kDevices)},
                         some_flags() & ~pte::kCaching);
        if (chance(3))
            return entry(gfn_of_role(1 + static_cast<unsigned>(pick(4))), some_flags() & ~pte::kWrite);
        return entry(chance(60) ? any_gfn() : gfn_of_role(0), some_flags());
    }
    Vaddr some_address() {
        return address(std::array{0U, 1U, 300U, 511U, 256U}[pick(chance(9) ? 5 : 4)], std::array{0U, 1U, 5U}[pick(3)],
                       std::array{0U, 1U, 300U}[pick(3)], index(), static_cast<unsigned>(index() * 8));
    }
    /// Mostly one that means something.
    Vaddr good_address(std::uint64_t root) {
        for (int i = 0; i < 60; ++i)
            if (auto const va = some_address(); reference.translate(root, va).present)
                return va;
        return some_address();
    }

    /// One that means what @p fits says of its Translation, or any.
    template <typename Fits> Vaddr address_where(std::uint64_t root, Fits&& fits) {
        for (int i = 0; i < 100; ++i) {
            auto const va = some_address();
            if (auto const means = reference.translate(root, va); means.present && fits(means))
                return va;
        }
        return some_address();
    }

    void make_trees() {
        for (std::uint64_t number = 0; number < kOwnFrames; ++number)
            for (auto const one : kIndices)
                if (role(number) != 0 && !chance(3))
                    write_plain(machine.gfn(number), one, good_value(role(number)));
        reference.observe();
    }
    std::uint64_t good_value(unsigned level) {
        auto const flags = pte::kUser | pte::kAccessed | (chance(4) ? 0 : pte::kWrite) | (chance(2) ? pte::kDirty : 0);
        if (level > 1)
            return entry(gfn_of_role(level - 1), flags);
        return chance(3) ? entry(gfn_of_role(1), flags & ~pte::kWrite) : entry(gfn_of_role(0), flags);
    }

    /// As a guest would write memory that is no table.
    void write_plain(Gfn gfn, unsigned at, std::uint64_t value) {
        if (!machine.mfn(gfn).valid())
            return; // given up
        auto const use = machine.use(gfn);
        if (use != Use::none && use != Use::writable)
            return;
        machine.word(gfn, at) = value;
        note_written({machine.mfn(gfn).raw(), at}, value);
    }
    void note_written(Place place, std::uint64_t value) { may_be_dirty_[place] = (value & pte::kDirty) != 0; }

    // --- the hardware ----------------------------------------------------------------------------------------------------

    void flush(unsigned cpu) {
        auto const begun = machine.clock().begin_flush();
        for (unsigned root = 0; root < kRoots; ++root) {
            mmu.flush(cpu, root);
            cpus_[cpu].flushed[root] = reference.now();
        }
        machine.clock().end_flush(CpuId{cpu}, begun);
        cpus_[cpu].owes_flush = false;
    }
    void retire(shadow_pt::Stamp stamp) {
        machine.clock().behind(stamp).for_each([&](std::size_t cpu) {
            if (cpu == current_ || cpus_[cpu].in_guest)
                flush(static_cast<unsigned>(cpu));
            else
                cpus_[cpu].owes_flush = true;
        });
    }
    /// A CPU pays what it owes before it is in the guest again.
    void enter(unsigned cpu) {
        if (cpus_[cpu].owes_flush)
            flush(cpu);
        cpus_[cpu].in_guest = true;
    }
    void enter_or_leave() {
        auto const cpu = static_cast<unsigned>(pick(kCpus));
        if (cpus_[cpu].in_guest)
            cpus_[cpu].in_guest = false;
        else
            enter(cpu);
    }

    /// Other CPUs in the guest, in the middle of an operation of this one: accesses, and walks by mere speculation.
    void hardware_at_work() {
        if (inside_moment_ || !chance(6))
            return;
        inside_moment_ = true;
        auto const cpu = static_cast<unsigned>(pick(kCpus));
        auto const root = static_cast<unsigned>(pick(kRoots));
        if (cpu != current_ && cpus_[cpu].in_guest && cpus_[cpu].roots[root].valid())
            static_cast<void>(hardware_access(cpu, root, some_address(), {chance(2), chance(4)}));
        inside_moment_ = false;
    }

    MmuResult hardware_access(unsigned cpu, unsigned root, Vaddr va, MmuAccess want) {
        ++accesses_;
        auto const result = mmu.access(cpu, root, va, want);
        if (!result.frame)
            return result;
        auto const frame = *result.frame;
        hits_.push_back({cpu, root, va, frame, want, cpus_[cpu].flushed[root], cpus_[cpu].roots[root].table});
        if (Machine::is_device(frame))
            return result;
        Machine::must(!Machine::is_shadow_memory(frame), "a guest reached a shadow page");
        if (want.write) {
            auto const use = machine.frame(frame).use();
            Machine::must(use == Use::writable || use == Use::none || use == Use::free,
                          "a guest's CPU wrote to a table or a descriptor page");
            if (machine.owner(frame) != Owner::hypervisor)
                written_.emplace(frame.raw(), machine.life(frame));
            if (use == Use::writable && machine.owner(frame) == Owner::own && chance(8)) {
                auto const at = static_cast<unsigned>(va.offset() / 8);
                auto const value = good_value(std::max(1U, role(frame.raw() % kOwnFrames)));
                machine.table(frame)[at] = value;
                note_written({frame.raw(), at}, value);
            }
        }
        return result;
    }

    // --- the guest -------------------------------------------------------------------------------------------------------

    Root const& some_root() {
        auto const& roots = cpus_[current_].roots;
        return roots[chance(3) && roots[1].valid() ? 1 : 0];
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
        if (std::getenv("TRACE"))
            std::fprintf(stderr, "  cpu %u %s\n", current_, done ? "done" : "preempted");
        if (done)
            cpu.pending = nullptr;
        else
            ++preempted_;
    }
    [[nodiscard]] bool quiet() const {
        return std::none_of(cpus_.begin(), cpus_.end(), [](Cpu const& cpu) { return bool{cpu.pending}; });
    }

    void operate() {
        if (auto const& roots = cpus_[current_].roots; !roots[0].valid() && chance(2))
            return new_root();
        auto const what = pick(28);
        if (std::getenv("TRACE"))
            std::fprintf(stderr, "cpu %u op %lu\n", current_, what);
        switch (what) {
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
        case 15: return harvest();
        case 16: return flush(static_cast<unsigned>(pick(kCpus)));
        case 17: return write_plain(machine.gfn(pick(kOwnFrames)), index(), 0), refill();
        case 18:
        case 19: return fresh_access();
        case 20: return emulate();
        default: return guest_access();
        }
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
        start([=, this] { return paging.pin(level, gfn); },
              [=, this](Status const& status) {
                  ++(status.ok() ? done_ : failed_);
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
            if (frame == means.leaf.frame.raw())
                return pin(1, Gfn{number});
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
                ++(status.ok() ? roots_done_ : roots_failed_);
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
        if (table && chance(3)) // the same frame with other rights
            value = entry(GuestEntry{machine.word(gfn, at)}.frame(), some_flags());
        auto const mode = chance(3) ? UpdateMode::preserve_ad : UpdateMode::normal;
        // What only a pin in the middle makes a table, the reference does not know yet.
        bool const known = table && reference.table(machine.mfn(gfn).raw()).level == 1;
        bool const foreign = (known || starved_) && level == 1 && chance(8);
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
    bool is_table(Gfn gfn) { return machine.mfn(gfn).valid() && shadow_pt::is_table(machine.use(gfn)); }

    void update_va() {
        auto const& root = some_root();
        if (!root.valid())
            return;
        auto const va = good_address(root.table.raw());
        auto const means = reference.translate(root.table.raw(), va);
        auto const place = means.leaf_place;
        auto const before = means.present ? machine.table(Mfn{place.table})[place.index] : 0;
        bool const foreign = chance(10);
        auto const value = foreign                      ? entry(machine.foreign_gfn(pick(kForeignFrames)), some_flags())
                           : means.present && chance(2) ? entry(GuestEntry{before}.frame(), some_flags())
                                                        : some_value(1);
        FlushDebt debt;
        auto const status = paging.update_va(root, va, value, debt, Machine::Source{.foreign = foreign});
        pay(debt);
        if (means.present)
            wrote(place, before, value, UpdateMode::normal, foreign, status);
        else if (status.ok())
            observe_unknown_write(va);
    }
    /// The entry was not present, so the reference could not say where it lies: all that changed is taken as it is.
    void observe_unknown_write(Vaddr va) {
        for (std::uint64_t mfn = kFirstOwn; mfn < kFirstOwn + kOwnFrames; ++mfn)
            note_written({mfn, base::table_index(va, 1)}, pte::kDirty);
        lent_scan_ = true;
    }

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
            ++lent_;
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

    /// An access of this CPU, and what the hypervisor makes of its fault.
    void guest_access() {
        auto& cpu = cpus_[current_];
        enter(current_);
        auto const root = static_cast<unsigned>(&some_root() - cpu.roots.data());
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
        auto const answer = paging.handle_fault(tables, va, error_code);
        if (starved_)
            return answer.action == FaultAction::retry;
        bool const allowed = means.present && (!want.write || means.write()) && (!want.execute || means.execute);
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
        for (int tries = 0; tries < 3; ++tries) {
            auto const result = hardware_access(current_, 0, va, want);
            if (result.frame) {
                Machine::must(means.present && *result.frame == means.leaf.frame, "a fresh walk reached another frame");
                GuestEntry const leaf{machine.table(Mfn{means.leaf_place.table})[means.leaf_place.index]};
                Machine::must(leaf.accessed() && (!want.write || leaf.dirty()), "an access left no mark");
                ++reached_;
                return;
            }
            if (!handle_fault(0, va, want, result.error_code))
                return;
        }
        Machine::must(false, "an allowed access does not come about");
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
        Machine::must(status.ok() ? calls == 1 : word == nullptr || *word == before, "a refused store left something");
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
            Machine::must(page.ok() == allowed, "a copy was allowed otherwise than the guest itself");
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
            auto const unmapped = paging.unmap_grant(place, frame, debt);
            pay(debt);
            bool const lent = meaning_at(where).present && meaning_at(where).kind == TargetKind::foreign;
            Machine::must(starved_ || unmapped.ok() == lent, "a grant was unmapped wrongly");
            if (unmapped.ok())
                wrote(where, 0, 0, UpdateMode::normal, false, unmapped);
            return;
        }
        Mfn const granted{kFirstForeign + pick(kForeignFrames)};
        if (machine.owner(granted) != Owner::foreign)
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
        ++lent_;
    }
    Meaning meaning_at(Place place) const { return reference.meaning(place); }

    /// Ballooning. Numbers change their meaning only while no operation waits in the middle.
    void memory() {
        if (!quiet())
            return;
        auto const gfn = chance(5) ? machine.gfn(pick(kOwnFrames)) : gfn_of_role(0);
        machine.reclaim(!machine.translated() || chance(2) ? Owner::own : Owner::foreign);
        if (machine.mfn(gfn).valid()) {
            if (chance(20))
                machine.give_up(gfn);
        } else if (machine.populate(gfn)) {
            for (auto const at : kIndices)
                note_written({machine.mfn(gfn).raw(), at}, 0);
        }
    }

    /// What log-dirty does: D bits into the log, one flush, and from there on anew (SP-19).
    void harvest() {
        for_each_leaf([&](std::uint64_t& leaf) {
            if ((leaf & pte::kDirty) != 0)
                machine.log.insert((leaf & pte::kFrame) >> base::kPageShift);
            leaf &= ~pte::kDirty;
        });
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            flush(cpu);
        check_log();
        written_.clear();
        machine.log.clear();
    }

    // --- checks ------------------------------------------------------------------------------------------------------------

    template <typename Visit> void for_each_leaf(Visit&& visit) {
        for (std::uint64_t mfn = kFirstShadow; mfn < kFrames; ++mfn) {
            ShadowPage const page{machine.frame(Mfn{mfn})};
            if (!page.is_shadow() || page.level() != 1)
                continue;
            for (auto const at : kIndices)
                visit(machine.table(Mfn{mfn})[at]);
        }
    }

    /// SP-5: no write is forgotten, not even of a page that nobody maps any more.
    void check_log() {
        std::set<std::uint64_t> known = machine.log;
        for_each_leaf([&](std::uint64_t leaf) {
            if ((leaf & pte::kDirty) != 0)
                known.insert((leaf & pte::kFrame) >> base::kPageShift);
        });
        for (auto const& [mfn, life] : written_)
            Machine::must(known.contains(mfn) || machine.life(Mfn{mfn}) != life, "a written page is in no log");
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

    std::mt19937_64 random_;
    bool const starved_;

  public:
    Machine machine;
    Mmu mmu;
    Reference reference;
    Paging paging;

  private:
    std::array<Cpu, kCpus> cpus_{};
    unsigned current_ = 0;
    bool inside_moment_ = false;
    std::vector<Hit> hits_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> written_; ///< frame and its life, since the last harvest
    Grid<char> may_be_dirty_;
    Place written_place_{};
    Mfn written_lent_{};
    bool lent_scan_ = false;
    bool failed_build_ = false;
    std::uint64_t done_ = 0, failed_ = 0, roots_done_ = 0, roots_failed_ = 0;
    std::uint64_t accesses_ = 0, preempted_ = 0, lent_ = 0, reached_ = 0;
};

void run(std::uint64_t seed, bool translated, Memory memory, unsigned steps) {
    World world{seed, translated, memory};
    unsigned step = 0;
    try {
        for (; step < steps; ++step)
            world.step();
        world.end();
    } catch (std::exception const& failure) {
        FAIL() << failure.what() << ": seed " << seed << ", step " << step << ", "
               << (translated ? "translated" : "direct");
    }
    if (seed == 1) {
        std::printf("%s\n", world.statistics().c_str());
        for (auto n : world.machine.refusals)
            std::printf(" %u", n);
        std::printf("\n");
    }
}

constexpr unsigned kSteps = 3'000;
std::uint64_t const kFirstSeed = std::getenv("SEED") ? std::strtoul(std::getenv("SEED"), nullptr, 0) : 1;
std::uint64_t const kSeeds = std::getenv("SEEDS") ? std::strtoul(std::getenv("SEEDS"), nullptr, 0) : 12;

TEST(Model, ADirectDomainCanDoNothingThatItsTablesDoNotAllowAndAllThatTheyDo) {
    for (std::uint64_t seed = kFirstSeed; seed <= kSeeds && !HasFailure(); ++seed)
        run(seed, false, Memory::plenty, kSteps);
}

TEST(Model, ATranslatedDomainCanDoNothingThatItsTablesDoNotAllowAndAllThatTheyDo) {
    for (std::uint64_t seed = kFirstSeed; seed <= kSeeds && !HasFailure(); ++seed)
        run(seed, true, Memory::plenty, kSteps);
}

TEST(Model, ADomainWithoutMemoryForShadowsIsSafeAndLeavesNothing) { // SP-10
    for (std::uint64_t seed = kFirstSeed; seed <= kSeeds && !HasFailure(); ++seed)
        run(seed, seed % 2 == 0, Memory::starved, kSteps);
}

} // namespace
} // namespace shadow_pt_test
