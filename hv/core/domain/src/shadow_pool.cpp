#include "domain/shadow_pool.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "arch/cpu.hpp"

namespace domain {

using base::Err;
using base::Error;
using base::Mfn;
using base::Result;

void ShadowPool::push(Queue& queue, Mfn page) {
    auto& table = frames_.table();
    table.info(page).gfn.store(mm::kNoGfn, std::memory_order_relaxed);
    if (queue.last.valid())
        table.info(queue.last).gfn.store(static_cast<std::uint32_t>(page.raw()), std::memory_order_relaxed);
    else
        queue.first = page;
    queue.last = page;
}

Mfn ShadowPool::pop(Queue& queue) {
    Mfn const page = queue.first;
    if (!page.valid())
        return page;
    auto const next = frames_.table().info(page).gfn.exchange(mm::kNoGfn, std::memory_order_relaxed);
    queue.first = next == mm::kNoGfn ? Mfn{} : Mfn{next};
    if (!queue.first.valid())
        queue.last = Mfn{};
    return page;
}

Result<Mfn> ShadowPool::new_page() {
    auto page = TRY(frames_.allocate_frame({.owner = mm::kHypervisor}));
    page.info().state.stamp().store(0); // every CPU has flushed for it; a shadow counts there what leads to it
    return page.release();
}

ShadowPool::~ShadowPool() {
    pages_.with([&](Pages& pages) {
        ASSERT(pages.size.in_use == 0);
        for (Queue* const queue : {&pages.clean, &pages.waiting})
            for (Mfn page = pop(*queue); page.valid(); page = pop(*queue))
                frames_.table().drop_reference(page); // into the allocator's own quarantine: its stamp stays
    });
}

base::Status ShadowPool::fill(std::uint64_t floor) {
    pages_.with([&](Pages& pages) { pages.floor = floor; });
    while (size().pages < floor) {
        Mfn const page = TRY(new_page());
        pages_.with([&](Pages& pages) {
            push(pages.clean, page);
            ++pages.size.pages;
        });
    }
    return {};
}

void ShadowPool::set_limit(std::uint64_t pages) {
    pages_.with([&](Pages& all) { all.size.limit = pages; });
}

// The ring of pages in use, which are no shadows yet or shadows, goes by the same fields of their infos: gfn is the next one, link the one before.

void ShadowPool::begin_use(Pages& pages, Mfn page) {
    auto& table = frames_.table();
    auto const number = [](Mfn frame) { return static_cast<std::uint32_t>(frame.raw()); };
    if (!pages.hand.valid())
        pages.hand = page;
    Mfn const next = pages.hand; // the hand comes there last
    Mfn const last = next == page ? page : Mfn{table.info(next).link};
    table.info(page).gfn.store(number(next), std::memory_order_relaxed);
    table.info(page).link = number(last);
    table.info(last).gfn.store(number(page), std::memory_order_relaxed);
    table.info(next).link = number(page);
    ++pages.size.in_use;
}

void ShadowPool::end_use(Pages& pages, Mfn page) {
    auto& table = frames_.table();
    auto& info = table.info(page);
    Mfn const next{info.gfn.exchange(mm::kNoGfn, std::memory_order_relaxed)};
    Mfn const last{std::exchange(info.link, 0U)};
    if (next != page) {
        table.info(last).gfn.store(static_cast<std::uint32_t>(next.raw()), std::memory_order_relaxed);
        table.info(next).link = static_cast<std::uint32_t>(last.raw());
    }
    if (pages.hand == page)
        pages.hand = next == page ? Mfn{} : next;
    --pages.size.in_use;
}

Mfn ShadowPool::next_in_use() {
    return pages_.with([&](Pages& pages) {
        Mfn const page = pages.hand;
        if (page.valid())
            pages.hand = Mfn{frames_.table().info(page).gfn.load(std::memory_order_relaxed)};
        return page;
    });
}

/// A new page in use, from free memory.
Result<Mfn> ShadowPool::grow() {
    bool const allowed = pages_.with([](Pages& pages) {
        bool const more = pages.size.in_use < pages.size.limit;
        pages.size.pages += more ? 1 : 0;
        return more;
    });
    if (!allowed)
        return Err{Error::no_memory};
    auto const grown = new_page();
    pages_.with([&](Pages& pages) {
        if (grown)
            begin_use(pages, grown.value());
        else
            --pages.size.pages;
    });
    return grown ? grown : Err{Error::no_memory};
}

Result<Mfn> ShadowPool::take() {
    struct Found {
        Mfn page;
        bool zero = true;
    };
    auto const found = pages_.with([&](Pages& pages) -> Found {
        if (pages.size.in_use >= pages.size.limit)
            return {};
        // The longest waiting first: it is the likeliest to be safe.
        Mfn const oldest = pages.waiting.first;
        bool const safe = oldest.valid() && clock_.is_safe(frames_.table().info(oldest).state.stamp().load());
        Mfn const page = safe ? pop(pages.waiting) : pop(pages.clean);
        if (page.valid())
            begin_use(pages, page);
        return {page, !safe};
    });
    if (!found.page.valid())
        return grow();
    if (!found.zero)
        std::memset(arch::direct_map(found.page), 0, base::kPageSize);
    frames_.table().info(found.page).state.stamp().store(0);
    return found.page;
}

Result<Mfn> ShadowPool::take_at_once() {
    if (auto const page = take())
        return page;
    auto const [page, stamp] = pages_.with([&](Pages& pages) {
        Mfn const oldest = pages.size.in_use < pages.size.limit ? pop(pages.waiting) : Mfn{};
        if (!oldest.valid())
            return std::pair{oldest, shadow_pt::Stamp{0}};
        begin_use(pages, oldest);
        return std::pair{oldest, frames_.table().info(oldest).state.stamp().load()};
    });
    if (!page.valid())
        return Err{Error::no_memory};
    if (auto const behind = clock_.clock().behind(stamp); !behind.none())
        clock_.flush(behind);
    std::memset(arch::direct_map(page), 0, base::kPageSize);
    frames_.table().info(page).state.stamp().store(0);
    return page;
}

void ShadowPool::give(Mfn page, shadow_pt::Stamp stamp) {
    frames_.table().info(page).state.stamp().store(stamp);
    bool const kept = pages_.with([&](Pages& pages) {
        end_use(pages, page);
        auto const idle = pages.size.pages - pages.size.in_use;
        bool const keep = idle <= pages.floor;
        if (keep)
            push(pages.waiting, page);
        else
            --pages.size.pages;
        return keep;
    });
    if (!kept)
        frames_.table().drop_reference(page); // into the allocator's own quarantine: its stamp stays
}

ShadowPool::Size ShadowPool::size() {
    return pages_.with([](Pages const& pages) { return pages.size; });
}

} // namespace domain
