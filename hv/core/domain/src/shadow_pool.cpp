#include "domain/shadow_pool.hpp"

#include <cstring>

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

Result<Mfn> ShadowPool::take() {
    struct Found {
        Mfn page;
        bool zero = true;
    };
    auto const found = pages_.with([&](Pages& pages) -> Found {
        // The longest waiting first: it is the likeliest to be safe.
        Mfn const oldest = pages.waiting.first;
        if (oldest.valid() && clock_.is_safe(frames_.table().info(oldest).state.stamp().load())) {
            ++pages.size.in_use;
            return {pop(pages.waiting), false};
        }
        Mfn const clean = pop(pages.clean);
        if (clean.valid())
            ++pages.size.in_use;
        return {clean, true};
    });
    if (found.page.valid()) {
        if (!found.zero)
            std::memset(arch::direct_map(found.page), 0, base::kPageSize);
        return found.page;
    }
    auto const grown = new_page();
    if (grown) {
        pages_.with([](Pages& pages) {
            ++pages.size.pages;
            ++pages.size.in_use;
        });
        return grown;
    }
    // Nothing free anywhere: have the CPUs flush, so that what waits is safe by the next fault.
    pages_.with([&](Pages& pages) {
        if (pages.waiting.first.valid())
            clock_.ask(frames_.table().info(pages.waiting.first).state.stamp().load());
    });
    return Err{Error::no_memory};
}

void ShadowPool::give(Mfn page, shadow_pt::Stamp stamp) {
    frames_.table().info(page).state.stamp().store(stamp);
    bool const kept = pages_.with([&](Pages& pages) {
        --pages.size.in_use;
        bool const keep = pages.size.pages - pages.size.in_use <= pages.floor;
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
