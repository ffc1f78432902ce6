// What the model test plays on: a domain's frames and numbers drawn by chance, CPUs, and their hardware at work.
#pragma once

#include <functional>
#include <optional>
#include <random>

#include "mmu.hpp"
#include "reference.hpp"

namespace shadow_pt_test {

using shadow_pt::FaultAction;
using shadow_pt::FlushDebt;
using shadow_pt::GuestEntry;
using shadow_pt::Root;
using shadow_pt::ShadowPage;
using shadow_pt::Shadows;
using shadow_pt::Tracker;
using shadow_pt::UpdateMode;

enum class Memory : std::uint8_t {
    plenty,
    tight, ///< pages for the roots that CPUs have, and a few more: shadows are evicted all the time, and nobody can tell
    starved, ///< not even those: operations fail
};

/// How often something came about: a test that never does it tests nothing.
struct Did {
    std::uint64_t pins = 0, roots = 0, refusals = 0, preemptions = 0, lent = 0, unmapped = 0, accesses = 0, fresh = 0,
                  stores = 0, hidden_faults = 0, write_faults = 0, flushes_for_tables = 0, trackings = 0, harvests = 0,
                  evictions = 0;
    Did& operator+=(Did const& other) {
        pins += other.pins, roots += other.roots, refusals += other.refusals, preemptions += other.preemptions;
        lent += other.lent, unmapped += other.unmapped, accesses += other.accesses, fresh += other.fresh;
        stores += other.stores, hidden_faults += other.hidden_faults;
        write_faults += other.write_faults;
        flushes_for_tables += other.flushes_for_tables;
        trackings += other.trackings, harvests += other.harvests, evictions += other.evictions;
        return *this;
    }
};

class Stage {
  public:
    Stage(std::uint64_t seed, bool translated, Memory memory)
        : random_{seed},
          starved_{memory == Memory::starved},
          tight_{memory == Memory::tight},
          machine{translated},
          mmu{machine, random_},
          reference{machine},
          paging{machine} {
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            machine.clock().add_cpu(CpuId{cpu});
        machine.shadow_limit = starved_ ? 9 : tight_ ? kTight : 0;
        machine.rules_.may_choose_caching = !translated;
        machine.yield = [this] { return chance(3); };
        machine.on_moment = [this] { hardware_at_work(); };
        machine.on_new_life = [this](Mfn frame) {
            Machine::must(!can_reach(frame), "a frame changed hands while a CPU could still reach it");
        };
        machine.on_retire = [this](shadow_pt::Stamp stamp) { retire(stamp); };
        machine.on_root_entry = [this](Mfn shadow, unsigned slot, std::uint64_t entry) {
            mmu.patch(shadow, slot, entry);
        };
        make_trees();
    }
    Stage(Stage const&) = delete;
    Stage& operator=(Stage const&) = delete;

  protected:
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
    /// Shadows that must stay: no other can hold what they hold.
    std::uint64_t stubborn(bool operations_in_the_middle = false) {
        std::uint64_t shadows = 0;
        for (std::uint64_t mfn = kFirstShadow; mfn < kFrames; ++mfn) {
            ShadowPage const page{machine.frame(Mfn{mfn})};
            if (!page.is_shadow())
                continue;
            if (!page.table().valid() || machine.frame(page.table()).word().partial()) {
                shadows += operations_in_the_middle ? 1 : 0;
                continue;
            }
            bool given_up = false;
            for (auto const at : kIndices) {
                shadow_pt::ShadowEntry const held{machine.table(Mfn{mfn})[at]};
                GuestEntry const word{machine.table(page.table())[at]};
                bool const table = page.level() > 1 && !held.empty() && !held.is_absent();
                auto const frame = table ? ShadowPage{machine.frame(held.frame())}.table() : held.frame();
                given_up = given_up || (!held.empty() && held.kind() == TargetKind::own &&
                                        !machine.still_names(word.frame(), frame));
            }
            shadows += page.lent() > 0 || given_up ? 1 : 0;
        }
        return shadows;
    }
    /// In a tight pool few tables may have entries of others.
    bool has_room() { return stubborn(true) <= kMostStubborn; }
    bool may_lend() { return !tight_ || stubborn() < kMostStubborn; }
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
    /// The same frame with other rights, or with none: only P is gone.
    std::uint64_t with_other_rights(std::uint64_t before) {
        auto const value = entry(GuestEntry{before}.frame(), some_flags());
        return chance(12) ? value & ~pte::kPresent : value;
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
        image_[{machine.mfn(gfn).raw(), at}] = value; // by no CPU that anybody watches
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
    /// A CPU that owes a flush does not run the guest before it has flushed; only a page for a shadow is used again by then.
    [[nodiscard]] bool can_reach(Mfn frame) const {
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            if (mmu.knows(frame, cpu) && !(cpus_[cpu].owes_flush && Machine::is_shadow_memory(frame)))
                return true;
        return false;
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
            static_cast<void>(hardware_access(cpu, root, mmu.some_cached(cpu, root).value_or(some_address()),
                                              {chance(2), chance(4)}));
        inside_moment_ = false;
    }

    MmuResult hardware_access(unsigned cpu, unsigned root, Vaddr va, MmuAccess want) {
        ++did_.accesses;
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

    std::mt19937_64 random_;
    /// Two roots of each CPU, and two that are being replaced; three pages for starts; lent tables; the way to an address.
    static constexpr std::uint64_t kMostStubborn = 2, kTight = 2 * kCpus + 2 + 3 + kMostStubborn + 3;
    bool const starved_;
    bool const tight_;

    Machine machine;
    Mmu mmu;
    Reference reference;
    Paging paging;
    Did did_;

    std::array<Cpu, kCpus> cpus_{};
    unsigned current_ = 0;
    bool inside_moment_ = false;
    std::vector<Hit> hits_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> written_; ///< frame and its life, since the last harvest
    Grid<char> may_be_dirty_;
    Grid<std::uint64_t> image_; ///< memory as the log's reader last saw it
    std::array<std::uint64_t, kFirstShadow> image_lives_{};
    Place written_place_{};
    Mfn written_lent_{};
    bool lent_scan_ = false;
    bool failed_build_ = false;
    bool harvesting_ = false;
    Tracker tracker_ = Tracker::harvest; ///< the last that was started
};

} // namespace shadow_pt_test
