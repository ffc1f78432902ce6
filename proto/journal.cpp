#include "proto/journal.hpp"

#include <algorithm>

#include "journal.pb.h"
#include "migrate/hash.hpp"

namespace proto {
namespace {

constexpr std::uint32_t kEntryVersion = 1;

} // namespace

std::vector<std::byte> write(JournalEntry const& entry) {
    tern::migrate::JournalEntry wire;
    wire.set_version(kEntryVersion);
    wire.set_id(entry.id.data(), entry.id.size());
    wire.set_state(std::uint32_t(entry.state));
    wire.set_vm(entry.vm);
    wire.set_uuid(entry.uuid);
    wire.set_domid(entry.domid);
    wire.set_peer(entry.peer);
    wire.set_boot(entry.boot);
    wire.set_extra(entry.extra);
    std::vector<std::byte> out(sizeof(std::uint64_t) + wire.ByteSizeLong());
    auto const body = std::span{out}.subspan(sizeof(std::uint64_t));
    wire.SerializeToArray(body.data(), static_cast<int>(body.size()));
    auto const check = migrate::hash64(body, 0);
    std::memcpy(out.data(), &check, sizeof check);
    return out;
}

std::optional<JournalEntry> read_journal(base::Bytes octets) {
    auto const check = base::load<std::uint64_t>(octets);
    if (!check || migrate::hash64(octets.subspan(sizeof *check), 0) != *check)
        return std::nullopt;
    auto const body = octets.subspan(sizeof *check);
    tern::migrate::JournalEntry wire;
    JournalEntry entry;
    if (body.size() > (64U << 20) || !wire.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
        wire.version() != kEntryVersion || wire.id().size() != entry.id.size() ||
        wire.state() > std::uint32_t(migrate::Journaled::dropped))
        return std::nullopt;
    std::copy(wire.id().begin(), wire.id().end(), entry.id.begin());
    entry.state = migrate::Journaled(wire.state());
    entry.vm = wire.vm();
    entry.uuid = wire.uuid();
    entry.domid = wire.domid();
    entry.peer = wire.peer();
    entry.boot = wire.boot();
    entry.extra = wire.extra();
    return entry;
}

} // namespace proto
