#include "proto/control.hpp"

#include <algorithm>
#include <string>

#include "control.pb.h"

namespace proto {
namespace {

namespace wire = tern::migrate;
using namespace migrate;

std::string text_of_id(MigrationId const& id) { return {reinterpret_cast<char const*>(id.data()), id.size()}; }

Reason reason_of(std::uint32_t raw) { return raw < std::uint32_t(Reason::last) ? Reason(raw) : Reason::peer; }

// One function a message: a value made its wire form.
void put(Hello const& from, wire::Control& to) {
    auto& it = *to.mutable_hello();
    it.set_oldest(from.oldest);
    it.set_newest(from.newest);
    it.set_id(text_of_id(from.id));
    it.set_rejoin(from.rejoin);
    it.set_host(from.host);
    it.set_software(from.software);
}
void put(Welcome const& from, wire::Control& to) {
    auto& it = *to.mutable_welcome();
    it.set_version(from.version);
    it.set_host(from.host);
    it.set_software(from.software);
}
void put(Prepare const& from, wire::Control& to) {
    auto& it = *to.mutable_prepare();
    it.set_vm(from.vm);
    it.set_uuid(from.uuid);
    it.set_frames(from.frames);
    it.set_vcpus(from.vcpus);
    it.set_streams(from.streams);
    it.set_seed(from.seed);
    it.set_cpu(from.cpu);
    it.set_configuration(from.configuration);
}
void put(Ready const& from, wire::Control& to) {
    to.mutable_ready()->set_token(from.token);
    to.mutable_ready()->set_port(from.port);
}
void put(RoundReport const& from, wire::Control& to) {
    auto& it = *to.mutable_round();
    it.set_round(from.round);
    it.set_sent(from.sent);
    it.set_dirty(from.dirty);
    it.set_microseconds(from.microseconds);
}
void put(Suspended const& from, wire::Control& to) { to.mutable_suspended()->set_stamp(from.stamp); }
void put(Verified const&, wire::Control& to) { to.mutable_verified(); }
void put(Commit const&, wire::Control& to) { to.mutable_commit(); }
void put(Committed const&, wire::Control& to) { to.mutable_committed(); }
void put_marks(std::vector<Mark> const& from, auto& to) {
    for (auto const& mark : from) {
        auto& added = *to.add_marks();
        added.set_name(mark.name);
        added.set_at(mark.at);
    }
}
void put(Resumed const& from, wire::Control& to) {
    to.mutable_resumed()->set_stamp(from.stamp);
    put_marks(from.marks, *to.mutable_resumed());
}
void put(Settled const& from, wire::Control& to) { put_marks(from.marks, *to.mutable_settled()); }
void put(Dropped const& from, wire::Control& to) {
    to.mutable_dropped()->set_reason(std::uint32_t(from.reason));
    to.mutable_dropped()->set_sentence(from.sentence);
}
void put(Abort const& from, wire::Control& to) {
    to.mutable_abort()->set_reason(std::uint32_t(from.reason));
    to.mutable_abort()->set_sentence(from.sentence);
}
void put(Released const&, wire::Control& to) { to.mutable_released(); }
void put(Status const& from, wire::Control& to) { to.mutable_status()->set_state(std::uint32_t(from.state)); }
void put(ClockProbe const& from, wire::Control& to) { to.mutable_clock_probe()->set_sent(from.sent); }
void put(ClockReply const& from, wire::Control& to) {
    to.mutable_clock_reply()->set_sent(from.sent);
    to.mutable_clock_reply()->set_here(from.here);
}
void put(CatchUp const& from, wire::Control& to) { to.mutable_catch_up()->set_octets(from.octets); }
void put(CaughtUp const& from, wire::Control& to) { to.mutable_caught_up()->set_octets(from.octets); }

using Parsed = base::Result<std::optional<Message>, ControlError>;
Parsed malformed() { return base::Err{ControlError::malformed}; }

Parsed hello_of(wire::Hello const& from) {
    Hello to;
    if (from.id().size() != to.id.size())
        return malformed();
    std::copy(from.id().begin(), from.id().end(), to.id.begin());
    to.oldest = from.oldest();
    to.newest = from.newest();
    to.rejoin = from.rejoin();
    to.host = from.host();
    to.software = from.software();
    return std::optional<Message>{std::move(to)};
}

Parsed prepare_of(wire::Prepare const& from) {
    if (from.streams() < 1 || from.streams() > kMostStreams)
        return malformed();
    return std::optional<Message>{Prepare{from.vm(), from.uuid(), from.frames(), from.vcpus(), from.streams(),
                                          from.seed(), from.cpu(), from.configuration()}};
}

std::vector<Mark> marks_of(auto const& from) {
    std::vector<Mark> to;
    for (auto const& mark : from.marks())
        to.push_back({mark.name(), mark.at()});
    return to;
}

Parsed status_of(wire::Status const& from) {
    if (from.state() > std::uint32_t(Journaled::dropped))
        return malformed();
    return std::optional<Message>{Status{Journaled(from.state())}};
}

/// Nothing for a kind that is not known here.
Parsed message_of(wire::Control const& from) {
    using Answer = std::optional<Message>;
    switch (from.message_case()) {
    case wire::Control::kHello: return hello_of(from.hello());
    case wire::Control::kWelcome: {
        auto const& it = from.welcome();
        return Answer{Welcome{it.version(), it.host(), it.software()}};
    }
    case wire::Control::kPrepare: return prepare_of(from.prepare());
    case wire::Control::kReady: return Answer{Ready{from.ready().token(), from.ready().port()}};
    case wire::Control::kRound: {
        auto const& it = from.round();
        return Answer{RoundReport{it.round(), it.sent(), it.dirty(), it.microseconds()}};
    }
    case wire::Control::kSuspended: return Answer{Suspended{from.suspended().stamp()}};
    case wire::Control::kVerified: return Answer{Verified{}};
    case wire::Control::kCommit: return Answer{Commit{}};
    case wire::Control::kCommitted: return Answer{Committed{}};
    case wire::Control::kResumed: return Answer{Resumed{from.resumed().stamp(), marks_of(from.resumed())}};
    case wire::Control::kSettled: return Answer{Settled{marks_of(from.settled())}};
    case wire::Control::kDropped: return Answer{Dropped{reason_of(from.dropped().reason()), from.dropped().sentence()}};
    case wire::Control::kAbort: return Answer{Abort{reason_of(from.abort().reason()), from.abort().sentence()}};
    case wire::Control::kReleased: return Answer{Released{}};
    case wire::Control::kStatus: return status_of(from.status());
    case wire::Control::kClockProbe: return Answer{ClockProbe{from.clock_probe().sent()}};
    case wire::Control::kClockReply: return Answer{ClockReply{from.clock_reply().sent(), from.clock_reply().here()}};
    case wire::Control::kCatchUp: return Answer{CatchUp{from.catch_up().octets()}};
    case wire::Control::kCaughtUp: return Answer{CaughtUp{from.caught_up().octets()}};
    case wire::Control::MESSAGE_NOT_SET: break;
    }
    return Answer{};
}

} // namespace

bool write_bare(Message const& message, std::vector<std::byte>& out) {
    wire::Control control;
    std::visit([&](auto const& it) { put(it, control); }, message);
    auto const size = control.ByteSizeLong();
    if (size > kMostMessage)
        return false;
    auto const at = out.size();
    out.resize(at + size);
    return control.SerializeToArray(out.data() + at, static_cast<int>(size));
}

bool write(Message const& message, std::vector<std::byte>& out) {
    auto const at = out.size();
    std::uint32_t length = 0;
    out.resize(at + sizeof length);
    if (!write_bare(message, out)) {
        out.resize(at);
        return false;
    }
    length = static_cast<std::uint32_t>(out.size() - at - sizeof length);
    std::memcpy(out.data() + at, &length, sizeof length);
    return true;
}

Parsed read_bare(base::Bytes octets) {
    wire::Control control;
    if (octets.size() > kMostMessage)
        return base::Err{ControlError::too_long};
    return control.ParseFromArray(octets.data(), static_cast<int>(octets.size())) ? message_of(control) : malformed();
}

std::string_view text_of(ControlError error) {
    return error == ControlError::too_long ? "the peer sent a message that is too long"
                                           : "the peer sent a message that makes no sense";
}

void Reader::feed(base::Bytes octets) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
    buffer_.insert(buffer_.end(), octets.begin(), octets.end());
}

Parsed Reader::next() {
    while (!refused_) {
        auto const unread = base::Bytes{buffer_}.subspan(begin_);
        auto const length = base::load<std::uint32_t>(unread);
        if (!length)
            return std::optional<Message>{};
        if (*length > kMostMessage) {
            refused_ = ControlError::too_long;
            break;
        }
        auto const body = base::slice(unread, sizeof *length, *length);
        if (!body)
            return std::optional<Message>{};
        begin_ += sizeof *length + *length;
        auto message = read_bare(*body);
        if (!message)
            refused_ = message.error();
        else if (message.value())
            return message;
    }
    return base::Err{*refused_};
}

} // namespace proto
