#include "hypervisor/guest_memory.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include <sys/mman.h>

namespace hypervisor {
namespace {

/// 64 MiB: a mapping of its own for each, so that none needs much of anything in a row.
constexpr std::uint64_t kPiece = 16384;

} // namespace

std::uint64_t frames_in(std::span<Run const> layout) {
    return std::accumulate(layout.begin(), layout.end(), std::uint64_t{0},
                           [](std::uint64_t sum, Run const& run) { return sum + run.count; });
}

Result<GuestMemory> GuestMemory::map(Toolstack const& tools, std::uint32_t domain) {
    GuestMemory memory{tools, domain};
    xen_pfn_t last = 0;
    if (xc_domain_maximum_gpfn(tools.control(), domain, &last) < 0)
        return fail_errno("the memory of domain " + std::to_string(domain) + " is not told");
    memory.pages_.resize(last + 1);
    for (std::uint64_t first = 0; first <= last; first += kPiece)
        if (!memory.map_piece(first, std::min(kPiece, last + 1 - first)))
            return fail_errno("the memory of domain " + std::to_string(domain) + " cannot be looked at");
    return memory;
}

std::vector<Run> GuestMemory::layout() const {
    std::vector<Run> layout;
    for (std::uint64_t gfn = 0; gfn < pages_.size(); ++gfn) {
        if (pages_[gfn] == nullptr)
            continue;
        if (!layout.empty() && layout.back().first + layout.back().count == gfn)
            ++layout.back().count;
        else
            layout.push_back({gfn, 1});
    }
    return layout;
}

bool GuestMemory::map_piece(std::uint64_t first, std::size_t count) {
    std::vector<xen_pfn_t> gfns(count);
    std::iota(gfns.begin(), gfns.end(), first);
    std::vector<int> errors(count);
    void* const address = xenforeignmemory_map(memory_, domain_, PROT_READ, count, gfns.data(), errors.data());
    if (address == nullptr)
        return false;
    {
        std::lock_guard const guard{*mutex_};
        pieces_.emplace_back(address, Unmap{memory_, count});
    }
    for (std::size_t i = 0; i < count; ++i)
        if (errors[i] == 0)
            pages_[first + i] = static_cast<std::byte const*>(address) + i * kPageSize;
    return true;
}

std::span<std::byte const> GuestMemory::page(std::uint64_t gfn) {
    if (gfn >= pages_.size() || (pages_[gfn] == nullptr && !map_piece(gfn, 1)) || pages_[gfn] == nullptr)
        return {};
    return {pages_[gfn], kPageSize};
}

} // namespace hypervisor
