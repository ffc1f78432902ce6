#include "hypervisor/frames.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "abi/tern.h"
#include "base/assert.hpp"

namespace hypervisor {
namespace {

// The buffer, in pages.
constexpr std::size_t kNumbers = 1;
constexpr std::size_t kContents = kNumbers + Frames::kMost * sizeof(std::uint64_t) / kPageSize + 1;

} // namespace

Result<Frames> Frames::of(Toolstack const& tools, std::uint32_t domain, std::size_t most) {
    ASSERT(most <= kMost);
    return Frames{tools, domain, TRY(tools.buffer((kContents + most) * kPageSize))};
}

std::size_t Frames::most() const { return room_.size() / kPageSize - kContents; }

std::uint64_t& Frames::number(std::size_t index) const {
    return room_.as<std::uint64_t>()[kNumbers * kPageSize / sizeof(std::uint64_t) + index];
}

std::byte* Frames::page(std::size_t index) const { return room_.data() + (kContents + index) * kPageSize; }

void Frames::put(std::uint64_t gfn, std::byte const* from) {
    ASSERT(waiting_ < most());
    number(waiting_) = gfn;
    if (from != nullptr)
        std::memcpy(page(waiting_), from, kPageSize);
    else
        std::memset(page(waiting_), 0, kPageSize);
    ++waiting_;
}

Result<void> Frames::write() { return call(TERN_write_pages, std::exchange(waiting_, 0), "written"); }

Result<std::span<std::byte const>> Frames::read(std::span<std::uint64_t const> gfns) {
    ASSERT(waiting_ == 0 && gfns.size() <= most());
    for (std::size_t i = 0; i < gfns.size(); ++i)
        number(i) = gfns[i];
    TRY(call(TERN_read_pages, gfns.size(), "read"));
    return std::span<std::byte const>{page(0), gfns.size() * kPageSize};
}

/// @p done is what a frame is not if it fails.
Result<void> Frames::call(unsigned command, std::size_t count, std::string_view done) {
    if (count == 0)
        return {};
    tern_pages request{};
    request.domain = static_cast<std::uint16_t>(domain_);
    request.count = static_cast<std::uint32_t>(count);
    request.gfns = room_.address(kNumbers * kPageSize);
    request.data = room_.address(kContents * kPageSize);
    if (int const answer = tools_->tern_call(command, request, room_); answer < 0) {
        errno = -answer;
        return fail_errno("page " + std::to_string(number(request.done)) + " cannot be " + std::string{done});
    }
    return {};
}

} // namespace hypervisor
