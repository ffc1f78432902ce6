/// Which flushes a guest's operations owe: collected while tables change, paid once, after the last lock is dropped.
///
///     FlushDebt debt;
///     TRY(paging.update_va(root, va, value, debt));   // adds to it
///     debt.add_page(FlushDebt::everyone(), va);       // what the guest's flags ask for
///     pay(vcpu, debt.take());                         // the owner's: INVLPG, a full flush, IPIs
///
/// A debt that dies unpaid is a bug, and asserted. More than a few pages are one full flush.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/assert.hpp"
#include "base/bitmap.hpp"
#include "base/fixed_vector.hpp"
#include "base/frame.hpp"

namespace shadow_pt {

/// vCPUs of one domain, by number.
using VcpuSet = base::Bitmap<256>;

/// What one party has to flush.
class FlushWork {
  public:
    static constexpr std::size_t kMostPages = 8;

    [[nodiscard]] bool nothing() const { return !all_ && pages_.empty(); }
    [[nodiscard]] bool all() const { return all_; } ///< everything; else only pages()
    [[nodiscard]] std::span<base::Vaddr const> pages() const { return pages_; }

    void add(base::Vaddr page) {
        if (all_)
            return;
        for (auto const one : pages_)
            if (one == page.page())
                return;
        if (!pages_.push_back(page.page()))
            add_all();
    }
    void add_all() {
        all_ = true;
        pages_.clear();
    }
    void add(FlushWork const& other) {
        if (other.all_)
            add_all();
        for (auto const one : other.pages_)
            add(one);
    }

  private:
    bool all_ = false;
    base::FixedVector<base::Vaddr, kMostPages> pages_;
};

class [[nodiscard]] FlushDebt {
  public:
    FlushDebt() = default;
    FlushDebt(FlushDebt&& other) noexcept : content_{std::exchange(other.content_, {})} {}
    FlushDebt& operator=(FlushDebt&&) = delete;
    ~FlushDebt() { ASSERT(empty()); }

    static VcpuSet everyone() {
        VcpuSet all;
        for (std::size_t vcpu = 0; vcpu < VcpuSet::size(); ++vcpu)
            all.set(vcpu);
        return all;
    }

    // Local: on the CPU that pays. The others: on whatever CPUs run, or next run, those vCPUs.
    void add_local_page(base::Vaddr page) { content_.local.add(page); }
    void add_local_all() { content_.local.add_all(); }
    void add_page(VcpuSet const& vcpus, base::Vaddr page) {
        content_.vcpus |= vcpus;
        content_.remote.add(page);
    }
    void add_all(VcpuSet const& vcpus) {
        content_.vcpus |= vcpus;
        content_.remote.add_all();
    }
    /// Takes over what @p other owes.
    void merge(FlushDebt&& other) {
        auto const more = other.take();
        content_.local.add(more.local);
        content_.remote.add(more.remote);
        content_.vcpus |= more.vcpus;
    }

    [[nodiscard]] bool empty() const { return content_.local.nothing() && content_.remote.nothing(); }

    struct Content {
        FlushWork local;  ///< for this CPU
        FlushWork remote; ///< for each of `vcpus`, which may include the caller
        VcpuSet vcpus;
    };
    /// What is owed; the taker pays.
    [[nodiscard]] Content take() { return std::exchange(content_, {}); }

  private:
    Content content_;
};

} // namespace shadow_pt
