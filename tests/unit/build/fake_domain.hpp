/// A domain's frames on the build machine: scattered gfns, pages full of old data, and the table walk of a CPU.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "base/assert.hpp"
#include "build/dom0.hpp"

namespace test {

class FakeDomain {
  public:
    static constexpr std::uint64_t kFirstGfn = 0x5000;
    static constexpr std::byte kOldData{0xa5};

    /// Gfns are a shuffle: no two neighbouring pfns have neighbouring frames, but by chance.
    explicit FakeDomain(std::uint64_t nr_pages) : gfns_(nr_pages), pages_(nr_pages) {
        for (std::uint64_t i = 0; i < nr_pages; ++i)
            gfns_[i] = kFirstGfn + i * 3;
        std::shuffle(gfns_.begin(), gfns_.end(), std::mt19937_64{4});
    }

    base::Gfn gfn_of(base::Pfn pfn) const {
        ASSERT(pfn.raw() < gfns_.size());
        return base::Gfn{gfns_[pfn.raw()]};
    }
    std::byte* page(base::Pfn pfn) {
        ASSERT(pfn.raw() < pages_.size());
        auto& page = pages_[pfn.raw()];
        if (!page) {
            page = std::make_unique<Page>();
            page->fill(kOldData);
        }
        return page->data();
    }
    void set_m2p(base::Gfn gfn, base::Pfn pfn) { m2p[gfn.raw()] = pfn.raw(); }

    std::uint64_t word(base::Pfn pfn, std::size_t index) {
        std::uint64_t value = 0;
        std::memcpy(&value, page(pfn) + index * sizeof value, sizeof value);
        return value;
    }
    [[nodiscard]] bool touched(base::Pfn pfn) const { return pages_[pfn.raw()] != nullptr; }

    /// The entry of @p level (4..1) that translates @p address under @p l4; nothing if one above it is not present.
    std::optional<std::uint64_t> entry(base::Pfn l4, base::Vaddr address, unsigned level) {
        auto table = l4;
        for (unsigned at = 4;; --at) {
            auto const value = word(table, base::table_index(address, at));
            if (at == level)
                return value;
            if ((value & 1) == 0)
                return std::nullopt;
            table = pfn_in(value);
        }
    }
    /// The frame that a table entry names, by the machine-to-phys table.
    base::Pfn pfn_in(std::uint64_t entry) {
        auto const gfn = (entry & 0x000ffffffffff000) >> base::kPageShift;
        ASSERT(m2p.contains(gfn));
        return base::Pfn{m2p[gfn]};
    }
    /// The byte at @p address, or nothing if it is not mapped.
    std::optional<std::byte> read(base::Pfn l4, base::Vaddr address) {
        auto const leaf = entry(l4, address, 1);
        if (!leaf || (*leaf & 1) == 0)
            return std::nullopt;
        return page(pfn_in(*leaf))[address.offset()];
    }

    std::map<std::uint64_t, std::uint64_t> m2p;

  private:
    using Page = std::array<std::byte, base::kPageSize>;
    std::vector<std::uint64_t> gfns_;
    std::vector<std::unique_ptr<Page>> pages_;
};
static_assert(build::BuildTarget<FakeDomain>);

} // namespace test
