// A machine of a few hundred frames and a host for one domain on it, with a second domain whose frames can be mapped.
//
//     frames 16..79    RAM of the domain            gfn == mfn (direct), or in any order (translated)
//            80..87    RAM of the other domain
//            88..89    special pages                gfn == mfn, or special gfns
//            96..      shadow pages
//            1000..    devices: no FrameState, no bytes
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include "shadow_pt/paging.hpp"

namespace shadow_pt_test {

using base::CpuId;
using base::Error;
using base::Gaddr;
using base::Gfn;
using base::Mfn;
using base::Status;
using base::Vaddr;
using shadow_pt::Refusal;
using shadow_pt::TargetKind;
using shadow_pt::Use;
namespace pte = shadow_pt::pte;

inline constexpr std::uint64_t kFirstOwn = 16, kOwnFrames = 64;
inline constexpr std::uint64_t kFirstForeign = 80, kForeignFrames = 8;
inline constexpr std::uint64_t kFirstSpecial = 88, kSpecialFrames = 2;
inline constexpr std::uint64_t kFirstShadow = 96, kShadowFrames = 160;
inline constexpr std::uint64_t kFrames = kFirstShadow + kShadowFrames;
inline constexpr std::uint64_t kFirstDevice = 1000, kDevices = 4;
inline constexpr std::uint64_t kReadOnlyDevice = 1003;

/// The only entries that the tests ever use, of every table.
inline constexpr std::array<unsigned, 6> kIndices{0, 1, 5, 256, 300, 511};

enum class Owner : std::uint8_t { nobody, own, foreign, hypervisor };

/// One domain's host. Whatever it is told, it remembers; whatever must not be, it throws.
class Machine {
  public:
    struct Source {
        bool foreign = false;
        bool operator==(Source const&) const = default;
    };

    explicit Machine(bool translated = false) : translated_{translated} {
        for (std::uint64_t mfn = kFirstOwn; mfn < kFirstOwn + kOwnFrames; ++mfn) {
            give(Mfn{mfn}, Owner::own);
            gfns_[first_gfn() + (mfn - kFirstOwn)] = mfn;
        }
        for (std::uint64_t mfn = kFirstForeign; mfn < kFirstForeign + kForeignFrames; ++mfn)
            give(Mfn{mfn}, Owner::foreign);
        for (std::uint64_t mfn = kFirstSpecial; mfn < kFirstSpecial + kSpecialFrames; ++mfn)
            give(Mfn{mfn}, Owner::hypervisor);
        for (std::uint64_t mfn = kFirstShadow; mfn < kFrames; ++mfn)
            clean_shadows_.push_back(mfn);
    }

    // --- shadow_pt::Host -------------------------------------------------------------------------------------------

    std::uint64_t* table(Mfn frame) { return memory_.at(frame.raw()).data(); }
    shadow_pt::FrameState& frame(Mfn frame) { return states_.at(frame.raw()); }

    base::Result<shadow_pt::Target> translate(Gfn gfn, shadow_pt::Wanted, Source source) {
        moment();
        if (source.foreign) {
            auto const mfn = gfn.raw() - kForeignGfn;
            if (mfn >= kFrames || owner_[mfn] != Owner::foreign)
                return base::Err{Error::invalid};
            ++references_[mfn];
            return shadow_pt::Target{Mfn{mfn}, TargetKind::foreign, shown_foreign(Mfn{mfn})};
        }
        if (auto const found = gfns_.find(gfn.raw()); found != gfns_.end()) {
            ++references_[found->second];
            return shadow_pt::Target{Mfn{found->second}, TargetKind::own, gfn};
        }
        auto const raw = gfn.raw() - (translated_ ? kSpecialGfn : 0);
        if (raw >= kFirstSpecial && raw < kFirstSpecial + kSpecialFrames) {
            ++references_[raw];
            return shadow_pt::Target{Mfn{raw}, TargetKind::special, gfn};
        }
        if (!translated_ && raw >= kFirstDevice && raw < kFirstDevice + kDevices)
            return shadow_pt::Target{Mfn{raw}, TargetKind::device, gfn, raw == kReadOnlyDevice};
        return base::Err{translated_ || gfn.raw() < kFrames ? Error::invalid : Error::not_permitted};
    }

    /// Without a moment in it: others are asked at once whether they still agree.
    std::optional<shadow_pt::Target> named(Gfn gfn) {
        if (auto const found = gfns_.find(gfn.raw()); found != gfns_.end())
            return shadow_pt::Target{Mfn{found->second}, TargetKind::own, gfn};
        if (auto const left = left_.find(gfn.raw()); left != left_.end() && is_left(left->second))
            return shadow_pt::Target{Mfn{left->second.mfn}, TargetKind::own, gfn};
        if (!translated_ && gfn.raw() < kFrames && owner_[gfn.raw()] == Owner::own && references_[gfn.raw()] > 0)
            return shadow_pt::Target{Mfn{gfn.raw()}, TargetKind::own, gfn};
        auto const raw = gfn.raw() - (translated_ ? kSpecialGfn : 0);
        if (raw >= kFirstSpecial && raw < kFirstSpecial + kSpecialFrames)
            return shadow_pt::Target{Mfn{raw}, TargetKind::special, gfn};
        if (!translated_ && raw >= kFirstDevice && raw < kFirstDevice + kDevices)
            return shadow_pt::Target{Mfn{raw}, TargetKind::device, gfn, raw == kReadOnlyDevice};
        return std::nullopt;
    }
    Mfn named_frame(Gfn gfn) {
        auto const found = named(gfn);
        return found && found->kind == TargetKind::own ? found->frame : Mfn{};
    }
    bool still_names(Gfn gfn, Mfn frame) {
        if (owner(frame) == Owner::hypervisor)
            return gfn == special_gfn(frame.raw() - kFirstSpecial);
        return translated_ ? mfn(gfn) == frame : gfn.raw() == frame.raw();
    }
    bool translates(Gfn gfn, Mfn frame) { return owner(frame) == Owner::own && mfn(gfn) == frame; }
    Status reference(Mfn frame) {
        if (references_.at(frame.raw()) == 0)
            return base::Err{Error::not_found};
        ++references_[frame.raw()];
        return {};
    }

    void release(Mfn frame, TargetKind kind) {
        must(kind != TargetKind::device, "a device was given back");
        must(references_.at(frame.raw()) > 0, "a reference was given back twice");
        if (--references_[frame.raw()] == 0) {
            must(owner_[frame.raw()] != Owner::hypervisor, "a special page was freed");
            states_[frame.raw()].make_free();
            quarantine_.push_back({frame.raw(), states_[frame.raw()].stamp().load()});
        }
        moment();
    }

    base::Result<Mfn> allocate_shadow() {
        moment();
        recycle_shadows();
        return take_shadow();
    }
    /// Those that wait need no more than that every CPU in a guest flushes.
    base::Result<Mfn> allocate_shadow_at_once() {
        moment();
        recycle_shadows();
        if (clean_shadows_.empty() && !waiting_shadows_.empty()) {
            on_retire(waiting_shadows_.front().stamp);
            clean_shadows_.push_front(waiting_shadows_.front().mfn);
            waiting_shadows_.pop_front();
        }
        return take_shadow();
    }
    Mfn next_shadow() { return Mfn{kFirstShadow + hand_++ % kShadowFrames}; }
    [[nodiscard]] std::uint64_t shadows_in_use() const { return kShadowFrames; }
    void free_shadow(Mfn frame, shadow_pt::Stamp stamp) {
        for (auto const word : memory_.at(frame.raw()))
            must(word == 0, "a shadow page was freed that holds something");
        states_[frame.raw()].make_free();
        --shadows_in_use_;
        waiting_shadows_.push_back({frame.raw(), stamp});
        moment();
    }

    void mark_dirty(Mfn frame) {
        must(frame.raw() < kFrames && owner_[frame.raw()] != Owner::hypervisor, "a special page was marked dirty");
        log.insert(frame.raw());
        moment();
    }
    void became_table(Gfn gfn) { told_tables.insert(gfn.raw()); }
    void foreign_writer(Mfn frame, bool more) {
        must(owner(frame) == Owner::foreign, "not a foreign frame's writer");
        must(more || foreign_writers[frame.raw()] > 0, "a foreign frame has lost a writer that it did not have");
        foreign_writers[frame.raw()] += more ? 1 : -1;
    }
    Mfn next_own(Gfn& gfn) {
        auto const next = gfns_.lower_bound(gfn.raw());
        gfn = Gfn{next == gfns_.end() ? gfn.raw() : next->first + 1};
        return next == gfns_.end() ? Mfn{} : Mfn{next->second};
    }
    bool should_yield() { return yield && yield(); }
    shadow_pt::TlbClock& clock() { return clock_; }
    void retire(shadow_pt::Stamp stamp) {
        ++retired;
        if (on_retire)
            on_retire(stamp);
        moment();
    }
    void root_entry_changed(Mfn shadow, unsigned slot, std::uint64_t entry) {
        if (on_root_entry)
            on_root_entry(shadow, slot, entry);
        moment();
    }
    shadow_pt::EntryRules rules(Source) { return rules_; }
    void refused(Refusal why, Gfn) {
        last_refusal = why;
        ++refusals[unsigned(why)];
    }

    // --- what the tests see and do -----------------------------------------------------------------------------------

    [[nodiscard]] std::uint64_t first_gfn() const { return translated_ ? kTranslatedGfn : kFirstOwn; }
    /// The gfn of the @p index-th frame that the domain started with.
    [[nodiscard]] Gfn gfn(std::uint64_t index) const { return Gfn{first_gfn() + index}; }
    [[nodiscard]] Gfn foreign_gfn(std::uint64_t index) const { return Gfn{kForeignGfn + kFirstForeign + index}; }
    [[nodiscard]] Gfn special_gfn(std::uint64_t index) const {
        return Gfn{(translated_ ? kSpecialGfn : 0) + kFirstSpecial + index};
    }
    /// How the domain reads a foreign frame back.
    [[nodiscard]] Gfn shown_foreign(Mfn frame) const {
        return Gfn{translated_ ? kSpecialGfn + 0x1000 + frame.raw() : frame.raw()};
    }
    [[nodiscard]] bool translated() const { return translated_; }
    [[nodiscard]] Mfn mfn(Gfn gfn) const {
        auto const found = gfns_.find(gfn.raw());
        return found == gfns_.end() ? Mfn{} : Mfn{found->second};
    }
    std::uint64_t& word(Gfn gfn, unsigned index) { return table(mfn(gfn))[index]; }
    shadow_pt::FrameState& state(Gfn gfn) { return frame(mfn(gfn)); }
    [[nodiscard]] Use use(Gfn gfn) { return state(gfn).use(); }
    [[nodiscard]] std::uint64_t count(Gfn gfn) { return state(gfn).word().count(); }
    [[nodiscard]] std::uint32_t references(Mfn frame) const { return references_.at(frame.raw()); }
    [[nodiscard]] Owner owner(Mfn frame) const { return owner_.at(frame.raw()); }
    /// A number that changes when a frame gets a new owner or a shadow page a new table.
    [[nodiscard]] std::uint64_t life(Mfn frame) const { return lives_.at(frame.raw()); }
    [[nodiscard]] std::uint64_t life_or_none(Mfn frame) const { return is_device(frame) ? 0 : life(frame); }
    [[nodiscard]] std::uint64_t shadows_taken() const { return shadows_in_use_; }
    static bool is_shadow_memory(Mfn frame) { return frame.raw() >= kFirstShadow && frame.raw() < kFrames; }
    static bool is_device(Mfn frame) { return frame.raw() >= kFirstDevice; }
    std::map<std::uint64_t, std::uint64_t> const& gfns() const { return gfns_; }

    /// The domain gives @p gfn up: it leaves the map at once, and is freed with its last reference (SP-2).
    void give_up(Gfn gfn, bool names_on) {
        auto const mfn = gfns_.at(gfn.raw());
        gfns_.erase(gfn.raw());
        if (translated_ && names_on)
            left_[gfn.raw()] = {mfn, lives_[mfn]};
        release(Mfn{mfn}, TargetKind::own);
    }
    /// Frames out of quarantine whose every CPU has flushed: to their next owner.
    void reclaim(Owner next) {
        for (auto it = quarantine_.begin(); it != quarantine_.end();) {
            if (!clock_.is_safe(it->stamp)) {
                ++it;
                continue;
            }
            auto const mfn = it->mfn;
            it = quarantine_.erase(it);
            begin_life(Mfn{mfn});
            owner_[mfn] = Owner::nobody;
            memory_[mfn].fill(0);
            if (next == Owner::foreign)
                give(Mfn{mfn}, Owner::foreign);
            else
                free_.push_back(mfn);
        }
    }
    /// Puts a free frame at @p gfn, if there is one: the same one for a direct domain.
    bool populate(Gfn gfn) {
        if (auto const left = left_.find(gfn.raw()); left != left_.end() && is_left(left->second))
            return false; // somebody holds by that number still
        for (auto it = free_.begin(); it != free_.end(); ++it) {
            if (!translated_ && *it != gfn.raw())
                continue;
            gfns_[gfn.raw()] = *it;
            told_tables.erase(gfn.raw());
            give(Mfn{*it}, Owner::own);
            free_.erase(it);
            return true;
        }
        return false;
    }
    void recycle_shadows() {
        while (!waiting_shadows_.empty() && clock_.is_safe(waiting_shadows_.front().stamp)) {
            clean_shadows_.push_front(waiting_shadows_.front().mfn); // the sooner reused, the worse
            waiting_shadows_.pop_front();
        }
    }
    [[nodiscard]] std::size_t waiting_shadows() const { return waiting_shadows_.size(); }
    [[nodiscard]] std::size_t quarantined() const { return quarantine_.size(); }
    void count_reference(Mfn frame) { ++references_.at(frame.raw()); }

    static void must(bool holds, char const* what) {
        if (!holds)
            throw std::logic_error{what};
    }

    std::uint64_t shadow_limit = 0; ///< 0: as many as there are
    shadow_pt::EntryRules rules_{.address_bits = 44, .may_choose_caching = true};
    std::function<bool()> yield;
    std::function<void()> on_moment;      ///< called inside of operations: other CPUs are at work
    std::function<void(Mfn)> on_new_life; ///< the frame is somebody else's from now on
    std::function<void(shadow_pt::Stamp)> on_retire;
    std::function<void(Mfn, unsigned, std::uint64_t)> on_root_entry;
    std::set<std::uint64_t> log;
    std::map<std::uint64_t, int> foreign_writers;
    std::set<std::uint64_t> told_tables; ///< gfns
    unsigned retired = 0;
    std::array<unsigned, 16> refusals{};
    Refusal last_refusal{};

  private:
    static constexpr std::uint64_t kTranslatedGfn = 0x500;
    static constexpr std::uint64_t kForeignGfn = 0x70000;
    static constexpr std::uint64_t kSpecialGfn = (std::uint64_t{1} << 32) - (std::uint64_t{1} << 24);

    struct Waiting {
        std::uint64_t mfn;
        shadow_pt::Stamp stamp;
    };

    /// A frame that was given up, and that its number goes on naming as long as it lives.
    struct Left {
        std::uint64_t mfn, life;
    };
    [[nodiscard]] bool is_left(Left const& one) const {
        return lives_[one.mfn] == one.life && owner_[one.mfn] == Owner::own && references_[one.mfn] > 0;
    }
    base::Result<Mfn> take_shadow() {
        if (clean_shadows_.empty() || (shadow_limit != 0 && shadows_in_use_ >= shadow_limit))
            return base::Err{Error::no_memory};
        auto const mfn = clean_shadows_.front();
        clean_shadows_.pop_front();
        begin_life(Mfn{mfn});
        states_[mfn].make_available();
        ++shadows_in_use_;
        memory_[mfn].fill(0);
        return Mfn{mfn};
    }
    void moment() {
        if (on_moment)
            on_moment();
    }
    void begin_life(Mfn frame) {
        ++lives_.at(frame.raw());
        if (on_new_life)
            on_new_life(frame);
    }
    void give(Mfn frame, Owner owner) {
        states_.at(frame.raw()).make_available();
        owner_[frame.raw()] = owner;
        references_[frame.raw()] = 1;
        ++lives_[frame.raw()];
    }

    bool const translated_;
    shadow_pt::TlbClock clock_{0xffff'fff0}; // near the end of what a stamp can say
    std::vector<std::array<std::uint64_t, base::kTableEntries>> memory_{kFrames};
    std::vector<shadow_pt::FrameState> states_{kFrames};
    std::array<std::uint32_t, kFrames> references_{};
    std::array<Owner, kFrames> owner_{};
    std::array<std::uint64_t, kFrames> lives_{};
    std::map<std::uint64_t, std::uint64_t> gfns_;
    std::deque<std::uint64_t> clean_shadows_;
    std::deque<Waiting> waiting_shadows_;
    std::deque<Waiting> quarantine_;
    std::deque<std::uint64_t> free_;
    std::map<std::uint64_t, Left> left_;
    std::uint64_t hand_ = 0;
    std::uint64_t shadows_in_use_ = 0;
};

static_assert(shadow_pt::Host<Machine>);

using Paging = shadow_pt::Paging<Machine>;

/// A present entry for @p gfn.
constexpr std::uint64_t entry(Gfn gfn, std::uint64_t flags) {
    return gfn.raw() << base::kPageShift | pte::kPresent | flags;
}
inline constexpr std::uint64_t kTable = pte::kWrite | pte::kUser | pte::kAccessed | pte::kDirty;
inline constexpr std::uint64_t kReadOnly = pte::kUser | pte::kAccessed;
inline constexpr std::uint64_t kReadWrite = pte::kUser | pte::kAccessed | pte::kDirty | pte::kWrite;
inline constexpr std::uint64_t kCleanWrite = pte::kUser | pte::kAccessed | pte::kWrite; ///< D clear

/// The address that these four indices name.
constexpr Vaddr address(unsigned l4, unsigned l3, unsigned l2, unsigned l1, unsigned offset = 0) {
    std::uint64_t const low =
        std::uint64_t{l4} << 39 | std::uint64_t{l3} << 30 | std::uint64_t{l2} << 21 | std::uint64_t{l1} << 12 | offset;
    return Vaddr{l4 >= 256 ? low | 0xffff'0000'0000'0000 : low};
}

} // namespace shadow_pt_test
