#include "hypervisor/toolstack.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include "abi/tern.h"

namespace hypervisor {

CallBuffer::CallBuffer(CallBuffer&& other) noexcept
    : calls_{other.calls_}, data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}

CallBuffer& CallBuffer::operator=(CallBuffer&& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

CallBuffer::~CallBuffer() {
    if (data_ != nullptr)
        xencall_free_buffer_pages(calls_, data_, size_ / kPageSize);
}

Result<Toolstack> Toolstack::open() {
    constexpr char const* kHint = "this is for domain 0 of a host on Tern, as root, with xenstored running";
    Toolstack tools;
    // What goes wrong is said by us, in one line; what the libraries add, they add on standard error.
    tools.log_.reset(reinterpret_cast<xentoollog_logger*>(xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0)));
    tools.control_.reset(xc_interface_open(tools.log_.get(), nullptr, 0));
    tools.calls_.reset(xencall_open(tools.log_.get(), 0));
    tools.memory_.reset(xenforeignmemory_open(tools.log_.get(), 0));
    if (!tools.control_ || !tools.calls_ || !tools.memory_)
        return fail_errno("there is no hypervisor to ask", Kind::precondition, kHint);
    tools.store_.reset(xs_open(0));
    if (!tools.store_)
        return fail_errno("xenstored does not answer", Kind::precondition, kHint);
    libxl_ctx* light = nullptr;
    if (libxl_ctx_alloc(&light, LIBXL_VERSION, 0, tools.log_.get()) != 0)
        return fail(Kind::precondition, "libxl does not start", kHint);
    tools.light_.reset(light);
    tools.request_ = TRY(tools.buffer(kPageSize));
    return tools;
}

Result<CallBuffer> Toolstack::buffer(std::size_t size) const {
    auto const pages = (size + kPageSize - 1) / kPageSize;
    auto* const data = static_cast<std::byte*>(xencall_alloc_buffer_pages(calls_.get(), pages));
    if (data == nullptr)
        return fail_errno("no memory to talk to the hypervisor with");
    std::memset(data, 0, pages * kPageSize);
    return CallBuffer{calls_.get(), data, pages * kPageSize};
}

int Toolstack::tern_call(unsigned command, std::span<std::byte> request, CallBuffer const& room) const {
    std::memcpy(room.data(), request.data(), request.size());
    int const answer = xencall2(calls_.get(), __HYPERVISOR_tern_op, command, room.address());
    int const error = errno;
    std::memcpy(request.data(), room.data(), request.size());
    return answer >= 0 ? answer : -error;
}

} // namespace hypervisor
