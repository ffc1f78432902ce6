// The MMU of a few CPUs, at its most inconvenient: for each CPU and root it has a TLB and caches of upper entries (the
// paging-structure caches of SDM vol. 3A §4.10.3), keeps or drops any of their entries at any moment, walks
// speculatively, and sets A and D in the entries that it walks through.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "machine.hpp"

namespace shadow_pt_test {

inline constexpr unsigned kCpus = 3;
inline constexpr unsigned kRoots = 2; ///< kernel and user, each with a PCID of its own

struct MmuAccess {
    bool write = false;
    bool execute = false;
};

/// What came of an access: a frame, or a page fault.
struct MmuResult {
    std::optional<Mfn> frame;
    std::uint32_t error_code = 0;
};

class Mmu {
  public:
    Mmu(Machine& machine, std::mt19937_64& random) : machine_{machine}, random_{random} {}

    /// CR3 := a copy of the template @p shadow in this CPU's root page; this root's translations go.
    void install(unsigned cpu, unsigned root, Mfn shadow) {
        auto& one = roots_[cpu][root];
        one.shadow = shadow;
        one.page.fill(0);
        if (shadow.valid())
            std::copy_n(machine_.table(shadow), base::kTableEntries, one.page.begin());
        flush(cpu, root);
    }
    [[nodiscard]] Mfn installed(unsigned cpu, unsigned root) const { return roots_[cpu][root].shadow; }

    /// The host's promise: every copy of the template follows.
    void patch(Mfn shadow, unsigned slot, std::uint64_t entry) {
        for (auto& cpu : roots_)
            for (auto& root : cpu)
                if (root.shadow == shadow)
                    root.page[slot] = entry;
    }

    void flush(unsigned cpu, unsigned root) {
        roots_[cpu][root].tlb.clear();
        roots_[cpu][root].tables.clear();
    }
    /// INVLPG: the page, and all cached upper entries.
    void flush_page(unsigned cpu, Vaddr va) {
        for (auto& root : roots_[cpu]) {
            std::erase_if(root.tlb, [&](auto const& one) { return one.page == va.page().raw(); });
            root.tables.clear();
        }
    }

    /// True if @p cpu may still walk through @p frame, a shadow, or reach it as memory.
    [[nodiscard]] bool knows(Mfn frame, unsigned cpu) const {
        for (auto const& root : roots_[cpu])
            if (std::any_of(root.tables.begin(), root.tables.end(),
                            [&](auto const& one) { return one.table == frame; }) ||
                std::any_of(root.tlb.begin(), root.tlb.end(), [&](auto const& one) { return one.frame == frame; }))
                return true;
        return false;
    }

    /// An address that this CPU has something cached for, if it has anything: where it might go astray.
    std::optional<Vaddr> some_cached(unsigned cpu, unsigned root) {
        auto const& one = roots_[cpu][root];
        if (sometimes() && !one.tlb.empty())
            return Vaddr{one.tlb[random_() % one.tlb.size()].page << base::kPageShift};
        if (one.tables.empty())
            return std::nullopt;
        auto const& cached = one.tables[random_() % one.tables.size()];
        auto raw = cached.prefix;
        for (unsigned level = cached.level; level > 0; --level)
            raw = raw << 9 | kIndices[random_() % kIndices.size()];
        return Vaddr{raw << base::kPageShift};
    }

    /// An access as the CPU would make it. A fault has dropped what was cached for the address.
    MmuResult access(unsigned cpu, unsigned root, Vaddr va, MmuAccess want) {
        auto& one = roots_[cpu][root];
        forget_some(one);
        for (auto const& entry : one.tlb) {
            if (entry.page != va.page().raw())
                continue;
            check_life(entry.frame, entry.life, "a TLB entry outlived its frame");
            bool const forbidden = (want.write && !entry.write) || (want.execute && !entry.execute);
            if (forbidden)
                return fault(cpu, va, true, want);
            if (want.write && !entry.dirty)
                break; // the processor walks again, to set D
            return {entry.frame, 0};
        }
        return walk(cpu, one, va, want);
    }

  private:
    struct TlbEntry {
        std::uint64_t page;
        Mfn frame;
        bool write, execute, dirty;
        std::uint64_t life;
    };
    /// A cached upper entry: where the table of `level` for the addresses with `prefix` lies.
    struct TableEntry {
        unsigned level;
        std::uint64_t prefix;
        Mfn table;
        bool write, execute;
        std::uint64_t life;
    };
    struct RootPage {
        Mfn shadow;
        std::array<std::uint64_t, base::kTableEntries> page{};
        std::vector<TlbEntry> tlb;
        std::vector<TableEntry> tables;
    };

    static std::uint64_t prefix(Vaddr va, unsigned level) { return va.raw() >> (base::kPageShift + 9 * level); }
    bool sometimes() { return random_() % 2 == 0; }

    void check_life(Mfn frame, std::uint64_t life, char const* what) const {
        Machine::must(machine_.life_or_none(frame) == life, what);
    }

    void forget_some(RootPage& root) {
        if (random_() % 16 == 0 && !root.tlb.empty())
            root.tlb.erase(root.tlb.begin() + static_cast<long>(random_() % root.tlb.size()));
        if (random_() % 16 == 0 && !root.tables.empty())
            root.tables.erase(root.tables.begin() + static_cast<long>(random_() % root.tables.size()));
    }

    MmuResult fault(unsigned cpu, Vaddr va, bool present, MmuAccess want) {
        flush_page(cpu, va);
        namespace code = shadow_pt::fault;
        return {std::nullopt, code::kUser | (present ? code::kProtection : 0) | (want.write ? code::kWrite : 0) |
                                  (want.execute ? code::kFetch : 0)};
    }

    MmuResult walk(unsigned cpu, RootPage& root, Vaddr va, MmuAccess want) {
        unsigned level = 4;
        std::uint64_t* table = root.page.data();
        bool write = true;
        bool execute = true;
        for (auto const& cached : root.tables) {
            if (cached.prefix != prefix(va, cached.level) || cached.level >= level || sometimes())
                continue;
            check_life(cached.table, cached.life, "a cached upper entry outlived its shadow");
            level = cached.level;
            table = machine_.table(cached.table);
            write = cached.write;
            execute = cached.execute;
        }
        for (;; --level) {
            auto& entry = table[base::table_index(va, level)];
            if ((entry & pte::kPresent) == 0)
                return fault(cpu, va, false, want);
            Machine::must((entry & pte::kGlobal) == 0 && (entry & pte::kUser) != 0, "a bad shadow entry");
            Machine::must(level == 1 || (entry & pte::kSuperpage) == 0, "a superpage in a shadow");
            write = write && (entry & pte::kWrite) != 0;
            execute = execute && (entry & pte::kNoExecute) == 0;
            Mfn const next{(entry & pte::kFrame) >> base::kPageShift};
            if (level == 1)
                return finish(cpu, root, va, want, entry, next, write, execute);
            entry |= pte::kAccessed;
            Machine::must(Machine::is_shadow_memory(next), "a walk left the shadows");
            if (sometimes())
                root.tables.push_back(
                    {level - 1, prefix(va, level - 1), next, write, execute, machine_.life_or_none(next)});
            table = machine_.table(next);
        }
    }

    MmuResult finish(unsigned cpu, RootPage& root, Vaddr va, MmuAccess want, std::uint64_t& entry, Mfn frame,
                     bool write, bool execute) {
        if ((want.write && !write) || (want.execute && !execute))
            return fault(cpu, va, true, want);
        entry |= pte::kAccessed | (want.write ? pte::kDirty : 0);
        std::erase_if(root.tlb, [&](auto const& one) { return one.page == va.page().raw(); });
        bool const dirty = (entry & pte::kDirty) != 0;
        root.tlb.push_back({va.page().raw(), frame, write, execute, dirty, machine_.life_or_none(frame)});
        return {frame, 0};
    }

    Machine& machine_;
    std::mt19937_64& random_;
    std::array<std::array<RootPage, kRoots>, kCpus> roots_;
};

} // namespace shadow_pt_test
