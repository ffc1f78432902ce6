/// Grants that are nearly right: references and handles that were, that are another's, that are off by one.
#include "lib/grants.hpp"
#include "lib/test.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

constexpr unsigned kRefs = 8; ///< in play, from kFirstRef on
constexpr grant_ref_t kFirstRef = 16;
constexpr unsigned kSlots = 16; ///< of the window, where they are mapped

struct Mapped {
    grant_handle_t handle = 0;
    std::uint32_t frame = 0;
    bool now = false;
};

/// Grants pages of the sandbox, maps and unmaps them, with arguments of which about half are right.
class Game {
  public:
    explicit Game(std::uint64_t seed) : dice_{seed} {}

    void play() {
        switch (dice_.below(6)) {
        case 0: return grant_something();
        case 1: return take_back();
        case 2:
        case 3: return map_something();
        default: return unmap_something();
        }
    }
    /// Unmaps all that is mapped; false if one of them cannot be.
    bool end() {
        bool good = true;
        for (unsigned slot = 0; slot < kSlots; ++slot)
            if (mapped_[slot].now)
                good = unmap_grant(sandbox().window().va(slot), mapped_[slot].handle) == GNTST_okay && good;
        for (unsigned i = 0; i < kRefs; ++i)
            good = (grant(kFirstRef + i).flags & (GTF_reading | GTF_writing)) == 0 && good;
        return good;
    }
    [[nodiscard]] unsigned maps() const { return maps_; }
    [[nodiscard]] unsigned wrong() const { return wrong_; }

  private:
    grant_ref_t ref() {
        grant_ref_t const choices[] = {kFirstRef - 1, kFirstRef + kRefs, kGrants - 1, kGrants, ~grant_ref_t{0}};
        return dice_.once_in(4) ? dice_.one_of(choices) : kFirstRef + static_cast<grant_ref_t>(dice_.below(kRefs));
    }
    void grant_something() {
        auto volatile& entry = grant(kFirstRef + static_cast<grant_ref_t>(dice_.below(kRefs)));
        if ((entry.flags & (GTF_reading | GTF_writing)) != 0)
            return;
        entry.domid = dice_.once_in(4) ? static_cast<domid_t>(self() + 1) : self();
        entry.frame = static_cast<std::uint32_t>(sandbox().page(dice_).frame().raw());
        std::uint16_t const kinds[] = {GTF_permit_access, GTF_permit_access, GTF_permit_access | GTF_readonly,
                                       GTF_accept_transfer, GTF_permit_access | GTF_sub_page};
        entry.flags = dice_.one_of(kinds);
    }
    /// In use or not: what is mapped stays mapped.
    void take_back() {
        auto volatile& entry = grant(kFirstRef + static_cast<grant_ref_t>(dice_.below(kRefs)));
        if ((entry.flags & (GTF_reading | GTF_writing)) == 0)
            entry.flags = 0;
    }
    void map_something() {
        auto const slot = static_cast<unsigned>(dice_.below(kSlots));
        if (mapped_[slot].now) // what lies there would be lost, as with any other entry
            return;
        unsigned const flags = GNTMAP_host_map | (dice_.once_in(2) ? unsigned{GNTMAP_readonly} : 0);
        grant_ref_t const which = ref();
        auto const answer = map_grant(which, sandbox().window().va(slot), flags,
                                      dice_.once_in(8) ? static_cast<domid_t>(self() + 1) : self());
        if (answer.status != GNTST_okay)
            return;
        mapped_[slot] = {.handle = answer.handle, .frame = grant(which).frame, .now = true};
        ++maps_;
    }
    void unmap_something() {
        auto const slot = static_cast<unsigned>(dice_.below(kSlots));
        auto const other = static_cast<unsigned>(dice_.below(kSlots));
        Mapped& mapped = mapped_[slot];
        grant_handle_t const near[] = {mapped.handle,     mapped.handle,         mapped.handle + 1,
                                       mapped.handle - 1, mapped_[other].handle, ~mapped.handle};
        grant_handle_t const handle = dice_.one_of(near);
        for (Mapped const& each : mapped_) // the same page by another handle: Xen lets them change places
            if (mapped.now && each.now && each.handle == handle && &each != &mapped && each.frame == mapped.frame)
                return;
        bool const right = mapped.now && handle == mapped.handle;
        bool const done = unmap_grant(sandbox().window().va(slot), handle) == GNTST_okay;
        wrong_ += done != right;
        if (done)
            mapped.now = false;
    }

    Dice dice_;
    Mapped mapped_[kSlots];
    unsigned maps_ = 0, wrong_ = 0;
};

} // namespace

TEST("of grants mapped and unmapped with references and handles nearly right, just the right ones are done") {
    gnttab_set_version_t version{.version = 1}; // where there is another one, chance has taken it
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version), 0);
    Game game{0x96a7};
    for (unsigned i = 0; i < 4000; ++i)
        game.play();
    print("# ", game.maps(), " mapped\n");
    CHECK(game.maps() > 100);
    CHECK_EQ(game.wrong(), 0);
    CHECK(game.end());
    sandbox().clear(); // all of them are memory again: nothing holds them
    check_sanity();
}

TEST("a copy that leads one byte out of a page is refused, one that fits is done") {
    struct Extent {
        std::uint16_t from, to, length;
        bool fits;
    };
    for (auto const [from, to, length, fits] :
         {Extent{0, 0, 4096, true}, Extent{0, 0, 4097, false}, Extent{1, 0, 4095, true}, Extent{1, 0, 4096, false},
          Extent{0, 4095, 1, true}, Extent{0, 4095, 2, false}, Extent{4096, 0, 1, false}, Extent{0xffff, 0, 1, false},
          Extent{0xffff, 0xffff, 0xffff, false}}) {
        gnttab_copy_t copy{};
        copy.source.domid = copy.dest.domid = DOMID_SELF;
        copy.source.u.gmfn = sandbox().page(0).frame().raw();
        copy.dest.u.gmfn = sandbox().page(1).frame().raw();
        copy.source.offset = from;
        copy.dest.offset = to;
        copy.len = length;
        CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy), 0);
        CHECK_EQ(copy.status == GNTST_okay, fits);
    }
}
