// console_io: the serial line as dom0's console (docs/abi.md §3.8). A domU has its ring; what it writes here is for who debugs
// it, and in a release build it is refused: the line is slow, and all would wait for who fills it.

#include <algorithm>
#include <array>

#include "abi/xen.hpp"
#include "base/assert.hpp"
#include "domain/console.hpp"
#include "domain/preemption.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

constexpr std::size_t kPiece = 16; ///< at 115200 baud more than a millisecond; others wait for the console, too

Answer write(Call& call) {
    if (!base::kDebug && !call.domain().privileged)
        return Err{Error::not_permitted};
    // A string of any length, in pieces; between two the call may be continued (args: command, count, buffer).
    std::array<char, kPiece> piece;
    while (call.args[1] != 0) {
        auto const size = std::min<std::uint64_t>(call.args[1], piece.size());
        auto const bytes = std::span{piece}.first(size);
        TRY(domain::copy_from_guest(call.vcpu, call.vcpu.mode, std::as_writable_bytes(bytes), call.pointer(2)));
        domain::write_console(call.domain(), bytes);
        call.args[1] -= size;
        call.args[2] += size;
        if (call.args[1] != 0 && domain::should_yield(call.vcpu))
            return Err{Error::preempted};
    }
    return 0;
}

Answer read(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    std::array<char, kPiece> piece;
    std::int64_t total = 0;
    while (call.args[1] != 0) {
        auto const wanted = std::min<std::uint64_t>(call.args[1], piece.size());
        // What is taken out cannot be put back: so first, whether the guest could write there.
        if (!domain::writable(call.vcpu, call.pointer(2)) ||
            !domain::writable(call.vcpu, call.pointer(2) + (wanted - 1)))
            return total > 0 ? Answer{total} : Answer{Err{Error::bad_address}};
        auto const size = domain::read_console(call.domain().system, std::span{piece}.first(wanted));
        if (size == 0)
            break;
        TRY(domain::copy_to_guest(call.vcpu, call.vcpu.mode, call.pointer(2),
                                  std::as_bytes(std::span{piece}.first(size))));
        call.args[1] -= size;
        call.args[2] += size;
        total += static_cast<std::int64_t>(size);
    }
    return total;
}

} // namespace

Answer console_io(Call& call) {
    switch (call.u32(0)) {
    case CONSOLEIO_write: return write(call);
    case CONSOLEIO_read: return read(call);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
