/// What frames a domain has: a view of all of them, to read, which lasts as long as this object (design: mapping pages batch by
/// batch costs as much as copying them).
///
/// The view is mapped read-only, so that the domain's frames do not count as written by domain 0 (SP-21). A frame that the domain gives up
/// stays in the view, as it was; one that it gets later is mapped when it is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// Frames @p first and on, @p count of them, all there.
struct Run {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    friend bool operator==(Run const&, Run const&) = default;
};

std::uint64_t frames_in(std::span<Run const> layout);

class GuestMemory {
  public:
    /// Maps all that the domain has.
    static Result<GuestMemory> map(Toolstack const& tools, std::uint32_t domain);

    /// The frames that it has a view of, in rising order.
    [[nodiscard]] std::vector<Run> layout() const;

    /// The page that the domain calls @p gfn, valid until this object goes; empty if it has none, or had none of such a high number at first. It
    /// may be written to at any moment: copy what must stay the same. Any thread, but of one page only one at a time.
    [[nodiscard]] std::span<std::byte const> page(std::uint64_t gfn);

  private:
    struct Unmap {
        xenforeignmemory_handle* memory;
        std::size_t pages;
        void operator()(void* address) const { xenforeignmemory_unmap(memory, address, pages); }
    };
    using Piece = std::unique_ptr<void, Unmap>;

    GuestMemory(Toolstack const& tools, std::uint32_t domain) : memory_{tools.memory()}, domain_{domain} {}
    /// False if nothing could be mapped; numbers that name nothing are left out. REQUIRES: pages_ has room for them.
    bool map_piece(std::uint64_t first, std::size_t count);

    xenforeignmemory_handle* memory_;
    std::uint32_t domain_;
    std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
    std::vector<Piece> pieces_;           ///< under mutex_
    std::vector<std::byte const*> pages_; ///< by gfn, as many as at first; null: not mapped
};

} // namespace hypervisor
