// A domain -> its record.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "domain/roots.hpp"
#include "domain/running.hpp"
#include "snapshot/parts.hpp"

namespace snapshot {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;
using base::Result;
using base::Status;
using domain::Domain;
using domain::RecordProgress;
using domain::Vcpu;

enum Step : std::uint32_t { settle, whole, vcpus, extended_states, timers, areas, channels, grants, tables, end };

/// What was begun and never ended is ended: it is no part of a domain.
Status finish_what_was_left(Domain& subject) {
    TRY(for_each_vcpu(subject, [](Vcpu& vcpu) -> Status {
        domain::Stopped const stopped{vcpu};
        if (!vcpu.leaving_root.valid())
            return {};
        return domain::set_root(vcpu, arch::Root::kernel, vcpu.kernel_root.gfn);
    }));
    return subject.paging.settle();
}

tern_record_domain describe(Domain& subject) {
    tern_record_domain told{};
    std::copy(std::begin(subject.handle), std::end(subject.handle), std::begin(told.handle));
    told.vcpus = static_cast<std::uint32_t>(subject.vcpus.size());
    told.address_size = 64;
    told.vm_assist = subject.vm_assist.load(std::memory_order_relaxed);
    told.max_pages = subject.system.quotas[subject.id.raw()].limit();
    told.max_ports = subject.events.most_ports();
    subject.grants.with([&](grants::Grants& both) {
        told.max_grant_version = both.table.most_version();
        told.max_grant_frames = both.table.max_frames();
        told.max_maptrack_frames = both.track.max_frames();
        told.mapped_grants = both.track.in_use();
    });
    told.shut_down = subject.shut_down.load() ? 1 : 0;
    told.shutdown_code = subject.shutdown_code.load();
    told.weight = static_cast<std::uint16_t>(subject.vcpus[0]->entity.weight());
    told.cap = subject.budget.cap();
    return told;
}

Status put_memory_map(Writer& writer, Domain& subject) {
    auto const known = TRY(domain::make_scratch<base::FixedVector<domain::E820Entry, 128>>(subject.system));
    subject.memory_map.with([&](auto& map) { *known = map; });
    writer.begin(TERN_RECORD_S_memory_map, 0);
    for (auto const& range : *known)
        TRY(writer.put(
            tern_record_range{.address = range.address, .size = range.size, .type = range.type, .unused = 0}));
    return writer.end();
}

Status put_whole(Writer& writer, Domain& subject, tern_record_cpu const& cpu) {
    TRY(writer.section(TERN_RECORD_S_domain, 0, describe(subject)));
    TRY(writer.section(TERN_RECORD_S_cpu, 0, cpu));
    TRY(writer.section(TERN_RECORD_S_time, 0, time_of(subject)));
    return put_memory_map(writer, subject);
}

/// A section of each vCPU. One that runs is not stopped for its length: what it says of itself goes nowhere then.
template <typename Put> Status put_vcpus(Writer& writer, Domain& subject, bool stands_still, Put&& put) {
    return for_each_vcpu(subject, [&](Vcpu& vcpu) {
        std::optional<domain::Stopped> stopped;
        if (stands_still)
            stopped.emplace(vcpu);
        return put(writer, vcpu);
    });
}

/// Entries on their way out.
class TableList {
  public:
    explicit TableList(Writer& writer) : writer_{writer} {}
    void add(std::uint64_t entry) {
        if (count_ == entries_.size())
            flush();
        entries_[count_++] = entry;
    }
    [[nodiscard]] Status end() {
        flush();
        return failed_ ? Status{Err{*failed_}} : Status{};
    }

  private:
    void flush() {
        auto const count = std::exchange(count_, 0);
        auto const put = writer_.put(std::as_bytes(std::span{entries_}.first(count)));
        if (!put.ok())
            failed_ = put.error();
    }

    Writer& writer_;
    std::array<std::uint64_t, 64> entries_{};
    std::size_t count_ = 0;
    std::optional<Error> failed_;
};

/// The frames that may be tables. A log of what the domain writes knows which; without one, all are looked at, and the more memory the
/// domain has, the longer that takes.
template <typename Visit> bool look_for_tables(Domain& subject, Gfn& cursor, std::uint32_t budget, Visit&& visit) {
    auto const end = subject.gfns.limit();
    if (!subject.log.knows_tables())
        return subject.gfns.look_through(cursor, end, budget, visit);
    return subject.log.look_at_tables(cursor, end, budget, [&](Gfn gfn) {
        auto at = gfn;
        subject.gfns.look_through(at, gfn + 1, 1, visit);
    });
}

Status put_tables(Writer& writer, Domain& subject) {
    constexpr std::uint32_t kAtOnce = 4096;
    auto& progress = subject.record;
    domain::Claim const log{subject.log_dirty.busy}; // it is neither stopped nor started meanwhile
    if (!log)
        return Err{Error::preempted};
    if (progress.next++ == 0) {
        writer.begin(TERN_RECORD_S_tables, 0);
        TRY(writer.put(tern_record_tables{.pages = subject.gfns.frames()}));
    }
    for (bool all = false; !all;) {
        TableList list{writer};
        all = look_for_tables(subject, progress.cursor, kAtOnce, [&](Gfn gfn, Mfn mfn) {
            auto const word = subject.host.frame(mfn).word();
            if (shadow_pt::is_table(word.use()) && word.count() != 0)
                list.add(TERN_RECORD_TABLE(gfn.raw(), shadow_pt::table_level(word.use()), word.pinned()));
        });
        TRY(list.end());
        if (!all && domain::slice_is_over(subject.system))
            return Err{Error::preempted};
    }
    return writer.end();
}

Status do_step(Writer& writer, Domain& subject, tern_record_cpu const& cpu, bool stands_still) {
    switch (subject.record.step) {
    case settle: return stands_still ? finish_what_was_left(subject) : Status{};
    case whole: return put_whole(writer, subject, cpu);
    case vcpus: return put_vcpus(writer, subject, stands_still, put_vcpu);
    case extended_states: return put_vcpus(writer, subject, stands_still, put_extended_state);
    case timers: return put_vcpus(writer, subject, stands_still, put_timers);
    case areas: return put_vcpus(writer, subject, stands_still, put_areas);
    case channels: return put_channels(writer, subject);
    case grants: return put_grants(writer, subject);
    case tables: return put_tables(writer, subject);
    default: return writer.finish();
    }
}

} // namespace

Result<std::uint64_t> take(Domain& subject, tern_record_cpu const& cpu, Buffer const& to) {
    auto& progress = subject.record;
    domain::Claim const claim{progress.busy};
    if (!claim)
        return Err{Error::preempted};
    if (progress.work == RecordProgress::Work::none)
        progress.begin(RecordProgress::Work::taking, &to.caller, to.at.raw());
    else if (!progress.is(RecordProgress::Work::taking, &to.caller, to.at.raw()))
        return Err{Error::busy};

    bool const stands_still = subject.pauses.load() != 0 || subject.shut_down.load();
    CallerSink sink{to};
    Writer writer{sink, progress.written};
    auto const status = [&]() -> Status {
        if (to.at.raw() != 0 && !stands_still)
            return Err{Error::busy};
        for (; progress.step <= end; progress.next_step())
            TRY(do_step(writer, subject, cpu, stands_still));
        return {};
    }();
    if (status.ok() || status.error() != Error::preempted)
        progress.work = RecordProgress::Work::none; // the next call is another one
    TRY(status);
    return progress.written.at;
}

} // namespace snapshot
