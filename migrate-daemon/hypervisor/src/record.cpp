#include "hypervisor/record.hpp"

#include <cerrno>
#include <cstring>

#include "abi/tern.h"

namespace hypervisor {
namespace {

/// What an error of TERN_set_record means (abi/tern.h).
base::Err<Failure> refused(int error) {
    constexpr char const* kSame = "both hosts need the same Tern";
    switch (error) {
    case EOPNOTSUPP: return fail(Kind::precondition, "the record says what this hypervisor does not know", kSame);
    case ENODEV:
        return fail(Kind::precondition, "this host's CPUs lack features that the guest has been told it has",
                    "move it to a host with at least the CPU of the first");
    case ERANGE: return fail(Kind::precondition, "the new domain has narrower limits than the old one had", kSame);
    case ENODATA: return fail(Kind::failed, "the new domain has not all of the old one's memory");
    case ENOSPC:
        return fail(Kind::precondition, "the CPU time that the guest has reserved cannot be had on this host",
                    "tern-sched --none gives back a reservation");
    case EINVAL: return fail(Kind::failed, "the record and the memory do not fit each other");
    default: errno = error; return fail_errno("the record is not taken");
    }
}

} // namespace

Result<std::vector<std::byte>> record_of(Toolstack const& tools, std::uint32_t domain) {
    tern_record request{};
    request.domain = static_cast<std::uint16_t>(domain);
    int answer = tools.tern_call(TERN_get_record, request);
    while (answer == 0 || answer == -ENOBUFS) {
        auto const buffer = TRY(tools.buffer(request.size));
        request.size = buffer.size();
        request.buffer = buffer.address();
        answer = tools.tern_call(TERN_get_record, request);
        if (answer == 0) {
            auto const octets = buffer.as<std::byte>().first(request.size);
            return std::vector<std::byte>(octets.begin(), octets.end());
        }
    }
    errno = -answer;
    return fail_errno("the hypervisor does not give the record of domain " + std::to_string(domain));
}

Result<void> set_record(Toolstack const& tools, std::uint32_t domain, std::span<std::byte const> record, Way way) {
    auto const buffer = TRY(tools.buffer(record.size()));
    std::memcpy(buffer.data(), record.data(), record.size());
    tern_record request{};
    request.domain = static_cast<std::uint16_t>(domain);
    request.flags = way == Way::cooperative ? TERN_RECORD_cooperative : 0;
    request.size = record.size();
    request.buffer = buffer.address();
    if (int const answer = tools.tern_call(TERN_set_record, request); answer < 0)
        return refused(-answer);
    return {};
}

} // namespace hypervisor
