// A domain as a value: its record read, and written into an empty one (snapshot/).

#include "hypercall/record.hpp"

#include "abi/tern.h"
#include "hypercall/cpu_policy.hpp"
#include "snapshot/snapshot.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;

/// Whose record it is: not one that knows the machine's frames.
base::Result<Domain*> subject_of(Call& call, tern_record const& request) {
    auto* const subject = call.domain().system.find(base::DomId{request.domain});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    if (subject == &call.domain() || !subject->translated() || request.unused != 0)
        return Err{Error::invalid};
    return subject;
}

snapshot::Buffer buffer_of(Call& call, tern_record const& request) {
    return {.caller = call.vcpu, .at = base::Vaddr{request.buffer}, .size = request.size};
}

base::Result<snapshot::Manner> manner_of(std::uint16_t flags) {
    switch (flags) {
    case 0: return snapshot::Manner::transparent;
    case TERN_RECORD_cooperative: return snapshot::Manner::cooperative;
    case TERN_RECORD_clock_stood: return snapshot::Manner::transparent_clock_stood;
    default: return Err{Error::invalid};
    }
}

} // namespace

Answer get_record(Call& call) {
    auto request = TRY(call.read<tern_record>(1));
    auto& subject = *TRY(subject_of(call, request));
    if (request.flags != 0)
        return Err{Error::invalid};
    auto const room = request.size;
    request.size = TRY(snapshot::take(subject, guest_cpu(), buffer_of(call, request)));
    TRY(call.write(1, request));
    if (request.buffer != 0 && request.size > room)
        return Err{Error::no_buffers};
    return 0;
}

Answer set_record(Call& call) {
    auto const request = TRY(call.read<tern_record>(1));
    auto& subject = *TRY(subject_of(call, request));
    TRY(snapshot::restore(subject, guest_cpu(), buffer_of(call, request), TRY(manner_of(request.flags))));
    return 0;
}

} // namespace hypercall
