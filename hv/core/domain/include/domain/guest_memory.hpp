/// The only door to a guest's memory by virtual address.
///
/// The hypervisor never dereferences a guest's address: each page is found by a walk of the shadows (which does the
/// work of a page fault on the way, SP-15), held by a reference, and copied through the direct map
/// (docs/decisions/0001). So a guest pointer can be anything; the worst it gets is Error::bad_address. A copy that
/// fails half-way has copied the pages before the failing one, as a CPU would have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"
#include "emulate/decode.hpp"

namespace domain {

/// Through the root that the guest runs on in @p mode. Caller: the CPU that runs @p vcpu.
[[nodiscard]] base::Status copy_from_guest(Vcpu& vcpu, Mode mode, std::span<std::byte> to, base::Vaddr from);
[[nodiscard]] base::Status copy_to_guest(Vcpu& vcpu, Mode mode, base::Vaddr to, std::span<std::byte const> from);

/// Bytes of an instruction at @p at: as many of the 15 as can be fetched.
[[nodiscard]] std::size_t fetch_instruction(Vcpu& vcpu, base::Vaddr at, std::span<std::byte, 15> into);

/// True if the guest could write the byte at @p at now, in its present mode.
[[nodiscard]] bool writable(Vcpu& vcpu, base::Vaddr at);

/// How code runs in the segment that the guest's CS @p selector names.
[[nodiscard]] emulate::CodeMode code_mode(Vcpu const& vcpu, std::uint16_t selector);

template <typename T>
concept AbiValue = std::is_trivially_copyable_v<T>;

template <AbiValue T> [[nodiscard]] base::Result<T> read_guest(Vcpu& vcpu, base::Vaddr from) {
    T value{};
    TRY(copy_from_guest(vcpu, vcpu.mode, std::as_writable_bytes(std::span{&value, 1}), from));
    return value;
}

template <AbiValue T> [[nodiscard]] base::Status write_guest(Vcpu& vcpu, base::Vaddr to, T const& value) {
    return copy_to_guest(vcpu, vcpu.mode, to, std::as_bytes(std::span{&value, 1}));
}

/// An array in the guest's memory, of a length that the guest named: each element is read or written by itself.
template <AbiValue T> class GuestArray {
  public:
    GuestArray(Vcpu& vcpu, base::Vaddr first) : vcpu_{vcpu}, first_{first} {}

    [[nodiscard]] bool null() const { return first_.raw() == 0; }
    [[nodiscard]] base::Result<T> read(std::uint64_t index) const { return read_guest<T>(vcpu_, at(index)); }
    [[nodiscard]] base::Status write(std::uint64_t index, T const& value) const {
        return write_guest(vcpu_, at(index), value);
    }
    [[nodiscard]] base::Vaddr at(std::uint64_t index) const { return first_ + index * sizeof(T); }

  private:
    Vcpu& vcpu_;
    base::Vaddr first_;
};

} // namespace domain
