// Event channels and the page with their bits.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "arch/cpu.hpp"
#include "domain/notice.hpp"
#include "domain/running.hpp"
#include "domain/shared_words.hpp"
#include "snapshot/parts.hpp"

namespace snapshot {
namespace {

using base::Err;
using base::Error;
using base::Port;
using base::Status;
using events::EventTable;
using events::State;

std::uint8_t told(State state) {
    switch (state) {
    case State::unbound: return EVTCHNSTAT_unbound;
    case State::interdomain: return EVTCHNSTAT_interdomain;
    case State::virq: return EVTCHNSTAT_virq;
    case State::ipi: return EVTCHNSTAT_ipi;
    case State::free:
    case State::pirq: break;
    }
    return EVTCHNSTAT_closed;
}

State meant(std::uint8_t status) {
    switch (status) {
    case EVTCHNSTAT_interdomain: return State::interdomain;
    case EVTCHNSTAT_virq: return State::virq;
    case EVTCHNSTAT_ipi: return State::ipi;
    default: return State::unbound;
    }
}

bool names_a_domain(State state) { return state == State::unbound || state == State::interdomain; }

tern_record_channel as_record(EventTable::Saved const& one, base::DomId self) {
    bool const itself = names_a_domain(one.state) && one.number == self.raw();
    return {.port = one.port.raw(),
            .state = told(one.state),
            .priority = 0,
            .vcpu = static_cast<std::uint16_t>(one.vcpu.raw()),
            .number = itself ? DOMID_SELF : one.number,
            .peer = one.peer.raw()};
}

EventTable::Saved from_record(tern_record_channel const& one, base::DomId self) {
    auto const state = meant(one.state);
    bool const itself = names_a_domain(state) && one.number == DOMID_SELF;
    return {.port = Port{one.port},
            .state = state,
            .vcpu = base::VcpuId{one.vcpu},
            .number = itself ? self.raw() : one.number,
            .peer = Port{one.peer}};
}

/// What came by a port that was bound already is no longer told by its bit: as with any new end, the guest looks.
void look_at_once(domain::Domain& subject, EventTable::Saved const& one) {
    auto const now = subject.events.saved(one.port);
    if (one.number == subject.id.raw() || !now.ok() || !now.value() || now.value()->state != State::interdomain)
        return;
    auto& word = subject.shared.evtchn_pending[one.port.raw() / 64];
    std::atomic_ref{word}.fetch_or(xen_ulong_t{1} << (one.port.raw() % 64), std::memory_order_seq_cst);
}

std::span<std::byte, base::kPageSize> page_of(domain::Domain& subject) {
    return std::span<std::byte, base::kPageSize>{arch::direct_map(subject.shared_frame), base::kPageSize};
}

} // namespace

Status put_channels(Writer& writer, domain::Domain& subject) {
    auto const limit = subject.events.limit().raw();
    writer.begin(TERN_RECORD_S_channels, 0);
    TRY(writer.put(tern_record_channels{.limit = limit, .unused = 0}));
    for (std::uint32_t port = 1; port < limit; ++port)
        if (auto const saved = TRY(subject.events.saved(Port{port})))
            TRY(writer.put(as_record(*saved, subject.id)));
    TRY(writer.end());
    writer.begin(TERN_RECORD_S_shared_info, 0);
    TRY(writer.put(page_of(subject)));
    return writer.end();
}

Status restore_channels(Reader& reader, domain::Domain& subject) {
    auto const count = TRY(reader.channels());
    auto const limit = TRY(reader.channel_table()).limit;
    auto const told = TRY(domain::make_scratch_array<tern_record_channel>(subject.system, count));
    TRY(reader.channels(told.get()));
    auto const ports = TRY(domain::make_scratch_array<EventTable::Saved>(subject.system, count));
    std::transform(told.get().begin(), told.get().end(), ports.get().begin(),
                   [&](tern_record_channel const& one) { return from_record(one, subject.id); });
    if (limit > subject.events.most_ports())
        return Err{Error::out_of_range};
    struct Page {
        std::array<std::byte, base::kPageSize> bytes{};
    };
    auto const shared = TRY(domain::make_scratch<Page>(subject.system));
    TRY(reader.shared_info(shared->bytes));
    TRY(subject.events.restore(ports.get(), limit)); // the last thing that may fail
    std::memcpy(page_of(subject).data(), shared->bytes.data(), shared->bytes.size());
    for (auto const& one : ports.get())
        look_at_once(subject, one);
    return {};
}

Status start_channels(Reader& reader, domain::Domain& subject) {
    struct Page {
        std::array<std::byte, base::kPageSize> bytes{};
    };
    auto const was = TRY(domain::make_scratch<Page>(subject.system));
    TRY(reader.shared_info(was->bytes));
    auto& shared = subject.shared;
    std::memset(shared.evtchn_pending, 0, sizeof shared.evtchn_pending);
    std::memset(shared.evtchn_mask, 0xff, sizeof shared.evtchn_mask);
    for (auto& info : shared.vcpu_info) {
        info.evtchn_upcall_pending = 0;
        info.evtchn_upcall_mask = 1;
        info.evtchn_pending_sel = 0;
    }
    // Where the guest keeps its own numbers of frames, which tools read; the tree of them is to be built anew.
    std::memcpy(&shared.arch, was->bytes.data() + offsetof(shared_info_t, arch), sizeof shared.arch);
    shared.arch.pfn_to_mfn_frame_list_list = 0;
    shared.arch.nmi_reason = 0;
    return {};
}

void remind_all(domain::Domain& subject) {
    for (std::uint32_t port = 1; port < subject.events.limit().raw(); ++port)
        domain::deliver(subject.events.remind(Port{port}));
    for (domain::Vcpu* const vcpu : subject.vcpus)
        if (vcpu->info() != nullptr && (domain::upcall_due(*vcpu) || vcpu->nmi_pending.load()))
            domain::notify(*vcpu);
}

} // namespace snapshot
