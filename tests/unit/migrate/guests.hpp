/// Memories for tests: a guest's, written at random; and the one that a receiver makes.
#pragma once

#include <map>
#include <random>
#include <set>
#include <vector>

#include "migrate/page_decoder.hpp"
#include "migrate/page_encoder.hpp"
#include "unit/migrate/streams.hpp"

namespace test {

/// A guest that writes to itself: pages of zeros, of noise, of text; a few words at once, or everything.
class RandomGuest {
  public:
    RandomGuest(migrate::MemoryLayout const& layout, unsigned seed) : random_{seed} {
        for (auto const& run : layout.runs())
            for (std::uint64_t i = 0; i < run.count; ++i) {
                gfns_.push_back(run.first + i);
                if (random_() % 16 != 0) // the others are absent from the beginning
                    rewrite(memory[run.first + i]);
            }
    }

    /// Writes here and there; what it touched is dirty.
    void run(unsigned writes) {
        for (unsigned i = 0; i < writes; ++i) {
            auto const hot = random_() % 2 == 0;
            auto const gfn = gfns_[random_() % (hot ? std::min<std::size_t>(8, gfns_.size()) : gfns_.size())];
            dirty.insert(gfn);
            if (random_() % 12 == 0) {
                memory.erase(gfn);
                continue;
            }
            auto& page = memory[gfn];
            if (random_() % 4 == 0)
                rewrite(page);
            else
                for (auto words = random_() % 4; words > 0; --words)
                    page[random_() % page.size()] = static_cast<std::byte>(random_() % 3); // often what it was
        }
    }

    [[nodiscard]] std::vector<Gfn> const& gfns() const { return gfns_; }

    std::map<Gfn, migrate::Page> memory;
    std::set<Gfn> dirty;

  private:
    void rewrite(migrate::Page& page) {
        auto const kind = random_() % 3;
        for (auto& octet : page)
            octet = static_cast<std::byte>(kind == 0 ? 0 : kind == 1 ? random_() : random_() % 5);
    }

    std::mt19937 random_;
    std::vector<Gfn> gfns_;
};

/// A new domain's memory. Its frames begin as zeros, unless `garbage`: then the receiver may rely on nothing.
struct NewMemory : migrate::GuestMemory {
    std::map<Gfn, migrate::Page> pages;
    std::set<Gfn> removed;
    unsigned writes = 0;
    bool fails = false;

    bool write(std::span<migrate::PageWrite const> list) override {
        for (auto const& one : list) {
            ++writes;
            EXPECT_EQ(one.first, pages.count(one.gfn) == 0);
            auto& page = pages[one.gfn];
            if (one.page == nullptr)
                page = {};
            else
                std::memcpy(page.data(), one.page, page.size());
        }
        return !fails;
    }
    bool read(std::span<Gfn const> gfns, std::span<migrate::Page> into) override {
        for (std::size_t i = 0; i < gfns.size(); ++i) {
            EXPECT_EQ(pages.count(gfns[i]), 1U);
            into[i] = pages[gfns[i]];
        }
        return !fails;
    }
    bool remove(Gfn gfn) override {
        pages.erase(gfn);
        removed.insert(gfn);
        return !fails;
    }
};

} // namespace test
