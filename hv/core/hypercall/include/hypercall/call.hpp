/// One hypercall while it is carried out, and what a handler answers.
///
/// A handler reads its arguments from `args` and answers a number or an error; the dispatcher turns errors into the
/// ABI's (abi/errno.hpp). A long operation that has held the CPU long enough (Error::preempted, SP-9) first edits
/// `args` so that the same call, made again, goes on where it stopped: the dispatcher has the guest execute its
/// SYSCALL again, or, inside a multicall, stores the arguments in the guest's entry.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "arch/registers.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/vcpu.hpp"
#include "shadow_pt/flush_debt.hpp"

namespace hypercall {

struct Call {
    domain::Vcpu& vcpu;
    arch::Registers& registers; ///< the caller's, as it will be resumed
    std::array<std::uint64_t, 6> args{};
    shadow_pt::FlushDebt& debt; ///< flushes owed; paid once, after the call or the whole multicall

    [[nodiscard]] domain::Domain& domain() const { return vcpu.domain; }
    [[nodiscard]] std::uint32_t u32(unsigned index) const { return static_cast<std::uint32_t>(args[index]); }
    [[nodiscard]] base::Vaddr pointer(unsigned index) const { return base::Vaddr{args[index]}; }
    template <domain::AbiValue T> [[nodiscard]] base::Result<T> read(unsigned index) const {
        if (auto const* const ahead = vcpu.domain.system.this_cpu().ahead.take(pointer(index), sizeof(T))) {
            T value{};
            std::memcpy(&value, ahead, sizeof value);
            return value;
        }
        return domain::read_guest<T>(vcpu, pointer(index));
    }
    template <domain::AbiValue T> [[nodiscard]] base::Status write(unsigned index, T const& value) const {
        return domain::write_guest(vcpu, pointer(index), value);
    }
    template <domain::AbiValue T> [[nodiscard]] domain::GuestArray<T> array(unsigned index) const {
        return {vcpu, pointer(index)};
    }
};

/// What the guest finds in RAX, or why not.
using Answer = base::Result<std::int64_t>;

/// A vCPU of @p subject, which is not the caller's own domain; `invalid` if there is none such.
inline base::Result<domain::Vcpu*> vcpu_of_another(Call const& call, domain::Domain& subject, std::uint32_t number) {
    auto* const vcpu = subject.vcpu(base::VcpuId{number});
    if (&subject == &call.domain() || vcpu == nullptr)
        return base::Err{base::Error::invalid};
    return vcpu;
}

/// A guest pointer out of an ABI structure (XEN_GUEST_HANDLE).
template <typename Handle> base::Vaddr address_of(Handle const& handle) {
    return base::Vaddr{reinterpret_cast<std::uint64_t>(handle.p)};
}

} // namespace hypercall
