/// Domain 0's connections to the hypervisor and its store, and the one door to Tern's own hypercall (abi/tern.h).
///
/// Everything here is for one thread, but for what says otherwise. Xen's libraries are the stable ones, and libxenctrl for what those do not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "hypervisor/failure.hpp"
#include "hypervisor/xen_libraries.hpp"

namespace hypervisor {

template <auto Close> struct Closer {
    template <typename Handle> void operator()(Handle* handle) const { static_cast<void>(Close(handle)); }
};

/// Memory that the hypervisor reads and writes: locked, and never moved.
class CallBuffer {
  public:
    CallBuffer() = default;
    CallBuffer(CallBuffer&& other) noexcept;
    CallBuffer& operator=(CallBuffer&& other) noexcept;
    ~CallBuffer();

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    template <typename T> [[nodiscard]] std::span<T> as() const {
        return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
    }
    [[nodiscard]] std::uint64_t address(std::size_t offset = 0) const {
        return reinterpret_cast<std::uint64_t>(data_) + offset;
    }

  private:
    friend class Toolstack;
    CallBuffer(xencall_handle* calls, std::byte* data, std::size_t size) : calls_{calls}, data_{data}, size_{size} {}

    xencall_handle* calls_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

class Toolstack {
  public:
    /// `precondition`: no hypervisor, not domain 0, or not root.
    static Result<Toolstack> open();

    /// At least @p size octets, in whole pages, zeroed.
    [[nodiscard]] Result<CallBuffer> buffer(std::size_t size) const;

    /// One of Tern's own calls; its structure is read and written back. Answers what the hypervisor answers, or −errno. Addresses in
    /// @p request are of CallBuffers.
    template <typename Request> [[nodiscard]] int tern_call(unsigned command, Request& request) const {
        return tern_call(command, request, request_);
    }
    /// The same in any thread, which has a @p room of its own: the request stands at its beginning meanwhile.
    template <typename Request>
    [[nodiscard]] int tern_call(unsigned command, Request& request, CallBuffer const& room) const {
        return tern_call(command, std::as_writable_bytes(std::span{&request, 1}), room);
    }

    [[nodiscard]] xc_interface* control() const { return control_.get(); }
    [[nodiscard]] xenforeignmemory_handle* memory() const { return memory_.get(); }
    [[nodiscard]] xs_handle* store() const { return store_.get(); }
    [[nodiscard]] libxl_ctx* light() const { return light_.get(); }

  private:
    Toolstack() = default;
    [[nodiscard]] int tern_call(unsigned command, std::span<std::byte> request, CallBuffer const& room) const;

    std::unique_ptr<xentoollog_logger, Closer<xtl_logger_destroy>> log_;
    std::unique_ptr<xc_interface, Closer<xc_interface_close>> control_;
    std::unique_ptr<xencall_handle, Closer<xencall_close>> calls_;
    std::unique_ptr<xenforeignmemory_handle, Closer<xenforeignmemory_close>> memory_;
    std::unique_ptr<xs_handle, Closer<xs_close>> store_;
    std::unique_ptr<libxl_ctx, Closer<libxl_ctx_free>> light_;
    CallBuffer request_; ///< for tern_call
};

} // namespace hypervisor
