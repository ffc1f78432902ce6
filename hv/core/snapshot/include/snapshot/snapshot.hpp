/// A domain as a value: everything that Tern holds about it, read as a record and written into an empty domain
/// (docs/domain-record.md). Parts of one kind, both ways, lie in one file: vcpu.cpp, channels.cpp, grants.cpp, time.cpp.
///
/// Both may answer Error::preempted: call again with the same arguments. A domain has one such work at a time: `busy` for
/// another caller, or another buffer.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "domain/domain.hpp"
#include "record/layout.hpp"

namespace snapshot {

/// Memory of the caller's, of another domain than the subject.
struct Buffer {
    domain::Vcpu& caller;
    base::Vaddr at; ///< 0 for take(): only the length is wanted
    std::uint64_t size = 0;
};

/// Writes the record of @p subject; answers its length, which if it is more than there is room for says that nothing
/// of it is to be believed. @p cpu: what guests are told of this one.
///   busy           it may run, and more than the length is wanted
///   not_supported  it has a physical interrupt
[[nodiscard]] base::Result<std::uint64_t> take(domain::Domain& subject, tern_record_cpu const& cpu, Buffer const& to);

enum class Manner : std::uint8_t {
    cooperative, ///< the guest knows that it has moved
    transparent,
    transparent_clock_stood, ///< the time that has gone by is not counted
};

/// Makes @p subject, which is paused and has never run, what the record in @p from says. On an error it is as it was, and
/// abi/tern.h says what the error means.
[[nodiscard]] base::Status restore(domain::Domain& subject, tern_record_cpu const& cpu, Buffer const& from,
                                   Manner manner);

} // namespace snapshot
