/// A domain's frames, written and read by their numbers, many by one call (TERN_write_pages, TERN_read_pages): one thread's way to them.
///
///     auto frames = TRY(Frames::of(tools, domain));
///     frames.put(gfn, page); …                                  // up to kMost
///     TRY(frames.write());
///     for (auto const octets = TRY(frames.read(gfns)); …)       // one page after the other
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

class Frames {
  public:
    static constexpr std::size_t kMost = 256;

    /// @p most: frames at once, of which each takes a page of locked memory.
    static Result<Frames> of(Toolstack const& tools, std::uint32_t domain, std::size_t most = kMost);

    /// The next write() writes @p page to frame @p gfn; null: zeros. REQUIRES: fewer than `most` wait for it.
    void put(std::uint64_t gfn, std::byte const* page);
    Result<void> write();
    /// What stands in @p gfns, `most` of them at most, until the next call. REQUIRES: nothing waits to be written.
    Result<std::span<std::byte const>> read(std::span<std::uint64_t const> gfns);

  private:
    Frames(Toolstack const& tools, std::uint32_t domain, CallBuffer room)
        : tools_{&tools}, domain_{domain}, room_{std::move(room)} {}
    Result<void> call(unsigned command, std::size_t count, std::string_view done);
    [[nodiscard]] std::size_t most() const;
    [[nodiscard]] std::uint64_t& number(std::size_t index) const;
    [[nodiscard]] std::byte* page(std::size_t index) const;

    Toolstack const* tools_;
    std::uint32_t domain_;
    CallBuffer room_; ///< the request, then numbers, then contents
    std::size_t waiting_ = 0;
};

} // namespace hypervisor
