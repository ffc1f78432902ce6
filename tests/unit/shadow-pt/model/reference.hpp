// The slow, obvious truth: what a guest's tables allow, found by reading them, and what each frame is used for, found by
// counting everything. Knows nothing of shadows.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "machine.hpp"

namespace shadow_pt_test {

/// One entry of a guest's table, by what it means.
struct Meaning {
    bool present = false;
    Mfn frame{};            ///< what it named when it was made
    std::uint64_t life = 0; ///< of the frame, then
    TargetKind kind = TargetKind::own;
    bool write = false, execute = false;
    auto operator<=>(Meaning const&) const = default;
};

/// Where an entry lies.
struct Place {
    std::uint64_t table = 0;
    unsigned index = 0;
    auto operator<=>(Place const&) const = default;
};

/// Something for each entry of each frame that can be a table.
template <typename T> class Grid {
  public:
    T& operator[](Place const& place) { return cells_[cell(place)]; }
    T const& operator[](Place const& place) const { return cells_[cell(place)]; }
    /// Calls @p visit(Place, T&) for the entries of @p table.
    template <typename Visit> void for_each_of(std::uint64_t table, Visit&& visit) {
        for (auto const index : kIndices)
            visit(Place{table, index}, (*this)[{table, index}]);
    }

  private:
    static std::size_t cell(Place const& place) {
        auto const at = std::find(kIndices.begin(), kIndices.end(), place.index) - kIndices.begin();
        return place.table * kIndices.size() + static_cast<std::size_t>(at);
    }
    std::vector<T> cells_ = std::vector<T>(kFirstShadow * kIndices.size() + kIndices.size());
};

/// What an address means.
struct Translation {
    bool present = false; ///< all four entries are
    Meaning leaf;
    Place leaf_place;
    bool upper_write = true;
    [[nodiscard]] bool write() const { return present && upper_write && leaf.write; }
    bool execute = false; ///< all four allow it
};

class Reference {
  public:
    explicit Reference(Machine& machine) : machine_{machine} {}

    /// The uses that are not entries'.
    std::set<std::uint64_t> pins;
    std::multiset<std::uint64_t> roots; ///< L4 frames
    std::multiset<std::pair<std::uint64_t, Use>> holds;

    /// Reads all tables again after an operation that wrote the entry @p written; @p lent: the foreign frame that it put
    /// there, which the domain's own numbers do not tell. Time goes on by one.
    void observe(Place written = {}, Mfn lent = {}) {
        ++now_;
        auto const before = std::exchange(tables_, {});
        auto const visit = [&](auto&& self, std::uint64_t table, unsigned level) -> void {
            if (tables_.at(table).count++ != 0)
                return;
            tables_[table].level = level;
            look_whether_unread(table);
            for (auto const index : kIndices) {
                if (shadow_pt::hypervisor_slot(level, index))
                    continue;
                Place const place{table, index};
                auto const meaning = read(place, level, place == written, lent);
                auto& known = meanings_[place];
                if (meaning != known) {
                    known = meaning;
                    history_[place].push_back({now_, meaning});
                }
                if (meaning.present && level > 1)
                    self(self, meaning.frame.raw(), level - 1);
            }
        };
        for (auto const pin : pins)
            visit(visit, pin, shadow_pt::table_level(machine_.frame(Mfn{pin}).use()));
        for (auto const root : roots)
            visit(visit, root, 4);
        // What is no table any more means nothing.
        for (std::uint64_t table = 0; table < tables_.size(); ++table)
            if (before[table].level != 0 && tables_[table].level == 0) {
                unread_.erase(table);
                meanings_.for_each_of(table, [&](Place const& place, Meaning& meaning) {
                    if (!meaning.present)
                        return;
                    lapsed_[place] = {meaning, shadow_pt::GuestEntry{raw_[place]}.frame()};
                    meaning = {};
                    history_[place].push_back({now_, Meaning{}});
                });
            }
    }
    [[nodiscard]] std::uint64_t now() const { return now_; }
    /// No operation is in the middle: no table is kept by such a one alone.
    void nothing_pends() { lapsed_.clear(); }

    /// What @p va means under the L4 @p root by the tables as they are.
    [[nodiscard]] Translation translate(std::uint64_t root, Vaddr va) const {
        Translation found;
        bool execute = true;
        auto table = root;
        for (unsigned level = 4;; --level) {
            Place const place{table, base::table_index(va, level)};
            auto const& meaning = meanings_[place];
            if (shadow_pt::hypervisor_slot(level, place.index) || !meaning.present)
                return found;
            execute = execute && meaning.execute;
            if (level == 1) {
                found.present = true;
                found.leaf = meaning;
                found.leaf_place = place;
                found.execute = execute;
                return found;
            }
            found.upper_write = found.upper_write && meaning.write;
            table = meaning.frame.raw();
        }
    }

    /// True if some mixture of entries that were true at or after @p since leads from one of @p from to @p frame with
    /// these rights: what a CPU that last flushed at @p since may do.
    [[nodiscard]] bool could_mean(std::set<std::uint64_t> const& from, std::uint64_t since, Vaddr va, Mfn frame,
                                  bool write, bool execute) const {
        auto const search = [&](auto&& self, std::uint64_t table, unsigned level) -> bool {
            Place const place{table, base::table_index(va, level)};
            for (auto const& one : values_since(place, since)) {
                if (!one.present || one.life != machine_.life_or_none(one.frame) || (write && !one.write) ||
                    (execute && !one.execute))
                    continue;
                if (level == 1 ? one.frame == frame : self(self, one.frame.raw(), level - 1))
                    return true;
            }
            return false;
        };
        for (auto const root : from)
            if (search(search, root, 4))
                return true;
        return false;
    }

    struct Table {
        unsigned level = 0;
        std::uint64_t count = 0;
    };
    [[nodiscard]] Table const& table(std::uint64_t mfn) const { return tables_.at(mfn); }
    [[nodiscard]] Meaning const& meaning(Place place) const { return meanings_[place]; }

    /// Compares every frame's use, count and references with what the tables and the other uses add up to.
    void check_counts() {
        using Counts = std::array<std::uint64_t, kFirstShadow>;
        Counts writers{};
        Counts descriptors{};
        Counts references{};
        for (auto const& [gfn, mfn] : machine_.gfns())
            ++references[mfn];
        for (auto mfn = std::uint64_t{0}; mfn < kFirstShadow; ++mfn)
            if (machine_.owner(Mfn{mfn}) == Owner::foreign || machine_.owner(Mfn{mfn}) == Owner::hypervisor)
                ++references[mfn];
        for (auto const& [mfn, use] : holds) {
            ++references[mfn];
            ++(use == Use::writable ? writers : descriptors)[mfn];
        }
        for (std::uint64_t table = 0; table < tables_.size(); ++table) {
            references[table] += tables_[table].level != 0 ? 1 : 0;
            if (tables_[table].level != 1 || is_unread(table))
                continue;
            meanings_.for_each_of(table, [&](Place const&, Meaning const& meaning) {
                if (!meaning.present || meaning.kind == TargetKind::device)
                    return;
                ++references[meaning.frame.raw()];
                if (meaning.write && meaning.kind != TargetKind::special)
                    ++writers[meaning.frame.raw()];
            });
        }
        for (auto mfn = std::uint64_t{0}; mfn < kFirstShadow; ++mfn) {
            auto const word = machine_.frame(Mfn{mfn}).word();
            if (machine_.references(Mfn{mfn}) != references[mfn])
                throw std::logic_error{"frame " + std::to_string(mfn) + " has " +
                                       std::to_string(machine_.references(Mfn{mfn})) + " references, the tables say " +
                                       std::to_string(references[mfn])};
            if (auto const& table = tables_[mfn]; table.level != 0) {
                Machine::must(word.use() == shadow_pt::table_use(table.level), "a table is used otherwise");
                Machine::must(word.count() == table.count && !word.partial() && !word.locked(),
                              "a table's uses do not add up");
                Machine::must(word.pinned() == pins.contains(mfn), "a pin is not where it was put");
            } else if (writers[mfn] != 0) {
                Machine::must(word == shadow_pt::UseWord(Use::writable, writers[mfn]), "writers do not add up");
            } else if (descriptors[mfn] != 0) {
                Machine::must(word == shadow_pt::UseWord(Use::descriptor, descriptors[mfn]), "descriptor uses");
            } else {
                Machine::must(word.count() == 0 && (word.use() == Use::none || word.use() == Use::free),
                              "a frame is used by nobody and not free for use");
            }
        }
    }

    /// An L1 of Shadows::later that no fault has asked for: it holds nothing, and what it says is looked at when one does.
    [[nodiscard]] bool is_unread(std::uint64_t table) const { return unread_.contains(table); }

  private:
    struct Moment {
        std::uint64_t time;
        Meaning meaning;
    };
    struct Lapsed {
        Meaning meaning;
        base::Gfn number;
    };

    /// One that is just being given up, or read, still counts as unread.
    void look_whether_unread(std::uint64_t table) {
        auto const word = machine_.frame(Mfn{table}).word();
        if (word.use() == Use::l1 && word.bare() && word.cursor() == 0)
            unread_.insert(table);
        else if (!word.partial())
            unread_.erase(table);
    }

    /// Whether an entry that meant this goes on holding a frame that its number does not name: another domain's, or one given up.
    [[nodiscard]] bool names_no_more(Meaning const& meaning) const {
        if (meaning.kind != TargetKind::own)
            return meaning.kind == TargetKind::foreign;
        return std::none_of(machine_.gfns().begin(), machine_.gfns().end(),
                            [&](auto const& one) { return one.second == meaning.frame.raw(); });
    }

    /// Whether a present word of an unread L1 would stay if it were looked at now.
    [[nodiscard]] bool would_be_taken(shadow_pt::GuestEntry entry) const {
        if (!entry.acceptable(1, machine_.rules({})))
            return false;
        auto const number = entry.frame();
        if (auto const frame = machine_.mfn(number); frame.valid())
            return !entry.writable() || machine_.frame(frame).use() == Use::writable ||
                   machine_.frame(frame).use() == Use::none;
        bool const device =
            !machine_.translated() && number.raw() >= kFirstDevice && number.raw() < kFirstDevice + kDevices;
        return device || number == machine_.special_gfn(0) || number == machine_.special_gfn(1);
    }

    /// A present entry keeps what it named when it became so, whatever the numbers mean now.
    [[nodiscard]] Meaning read(Place const& place, unsigned level, bool written, Mfn lent) {
        shadow_pt::GuestEntry const entry{machine_.table(Mfn{place.table})[place.index]};
        auto& raw = raw_[place];
        auto const& before = meanings_[place];
        bool const same = before.present && shadow_pt::GuestEntry{raw}.frame() == entry.frame();
        bool const named_anew =
            written && (lent.valid() || (before.kind == TargetKind::own && machine_.mfn(entry.frame()).valid()));
        bool const unread = level == 1 && is_unread(place.table);
        bool const known = same && !named_anew && !unread;
        raw = entry.raw();
        if (!entry.present() || (unread && !would_be_taken(entry)))
            return {};
        Meaning meaning;
        meaning.present = true;
        meaning.write = entry.writable();
        meaning.execute = (entry.raw() & pte::kNoExecute) == 0;
        if (known) {
            meaning.frame = before.frame;
            meaning.kind = before.kind;
        } else if (auto const it = lapsed_.find(place);
                   it != lapsed_.end() && it->second.number == entry.frame() && names_no_more(it->second.meaning)) {
            meaning.frame = it->second.meaning.frame;
            meaning.kind = it->second.meaning.kind;
        } else if (written && lent.valid()) {
            meaning.frame = lent;
            meaning.kind = TargetKind::foreign;
        } else if (machine_.mfn(entry.frame()).valid()) {
            meaning.frame = machine_.mfn(entry.frame());
        } else if (entry.frame() == machine_.special_gfn(0) || entry.frame() == machine_.special_gfn(1)) {
            meaning.frame = Mfn{entry.frame() == machine_.special_gfn(0) ? kFirstSpecial : kFirstSpecial + 1};
            meaning.kind = TargetKind::special;
        } else if (machine_.frame(Mfn{place.table}).use() != shadow_pt::table_use(level)) {
            return {}; // of a root or a pin that is just being given back: plain memory again, in which anything may stand
        } else {
            Machine::must(Machine::is_device(Mfn{entry.frame().raw()}) && level == 1, "an entry names nothing");
            meaning.frame = Mfn{entry.frame().raw()};
            meaning.kind = TargetKind::device;
        }
        meaning.write = meaning.write && meaning.frame.raw() != kReadOnlyDevice;
        meaning.life = known ? before.life : machine_.life_or_none(meaning.frame);
        return meaning;
    }

    [[nodiscard]] std::vector<Meaning> values_since(Place const& place, std::uint64_t since) const {
        std::vector<Meaning> values;
        auto const& history = history_[place];
        for (auto moment = history.rbegin(); moment != history.rend(); ++moment) {
            values.push_back(moment->meaning);
            if (moment->time <= since)
                break;
        }
        return values;
    }

    Machine& machine_;
    std::uint64_t now_ = 0;
    std::array<Table, kFirstShadow> tables_{};
    Grid<Meaning> meanings_;
    std::set<std::uint64_t> unread_;
    std::map<Place, Lapsed> lapsed_; ///< of tables that perhaps only an operation in the middle keeps
    Grid<std::uint64_t> raw_;
    Grid<std::vector<Moment>> history_;
};

} // namespace shadow_pt_test
