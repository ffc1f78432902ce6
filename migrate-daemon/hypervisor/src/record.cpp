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

base::Err<Failure> not_given(int error, std::uint32_t domain) {
    errno = error;
    return fail_errno("the hypervisor does not give the record of domain " + std::to_string(domain));
}

} // namespace

Result<RecordOf> RecordOf::domain(Toolstack const& tools, std::uint32_t domain) {
    RecordOf record{tools, domain};
    tern_record request{};
    request.domain = static_cast<std::uint16_t>(domain);
    if (int const answer = tools.tern_call(TERN_get_record, request); answer < 0)
        return not_given(-answer, domain);
    record.buffer_ = TRY(tools.buffer(request.size + request.size / 4)); // it may have a few tables more when it stops
    return record;
}

Result<std::vector<std::byte>> RecordOf::take() {
    for (;;) {
        tern_record request{};
        request.domain = static_cast<std::uint16_t>(domain_);
        request.size = buffer_.size();
        request.buffer = buffer_.address();
        int const answer = tools_->tern_call(TERN_get_record, request);
        if (answer == -ENOBUFS) {
            buffer_ = TRY(tools_->buffer(request.size));
            continue;
        }
        if (answer < 0)
            return not_given(-answer, domain_);
        auto const octets = buffer_.as<std::byte>().first(request.size);
        return std::vector<std::byte>(octets.begin(), octets.end());
    }
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
