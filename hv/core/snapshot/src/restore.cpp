// A record -> an empty domain.
#include <algorithm>
#include <array>

#include "domain/lifecycle.hpp"
#include "domain/memory.hpp"
#include "domain/running.hpp"
#include "snapshot/parts.hpp"

namespace snapshot {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Status;
using domain::Domain;
using domain::RecordProgress;
using domain::Vcpu;

enum Step : std::uint32_t { grants, tables, vcpus, rest };
enum UndoStep : std::uint32_t { undo_vcpus, undo_tables, undo_grants };

/// In shared_info; others have their words in a page that they have registered.
bool has_slot(std::uint32_t vcpu) { return vcpu < XEN_LEGACY_MAX_VCPUS; }

bool never_ran(Domain const& subject) {
    return std::all_of(subject.vcpus.begin(), subject.vcpus.end(), [](Vcpu const* vcpu) {
        return !vcpu->initialised.load() && vcpu->down.load() && !vcpu->info_frame.valid();
    });
}

Status check_limits(Domain& subject, tern_record_domain const& told) {
    bool const grants_fit = subject.grants.with([&](grants::Grants& both) {
        return told.max_grant_version <= both.table.most_version() &&
               told.max_grant_frames <= both.table.max_frames() && told.max_maptrack_frames <= both.track.max_frames();
    });
    if (told.vcpus != subject.vcpus.size() || told.max_ports > subject.events.most_ports() || !grants_fit)
        return Err{Error::out_of_range};
    return {};
}

Status check_words(Reader& reader, Manner manner) {
    for (std::uint32_t number = 0; number < reader.vcpus(); ++number) {
        if (has_slot(number) || (TRY(reader.vcpu(number)).flags & TERN_RECORD_V_initialised) == 0)
            continue;
        if (manner == Manner::cooperative)
            return Err{Error::not_supported}; // it says where its words are when it runs, and cannot run without
        if (TRY(reader.areas(number)).vcpu_info_gfn == TERN_RECORD_NONE)
            return Err{Error::invalid};
    }
    return {};
}

/// All that can be seen to be wrong before anything is changed.
Status check(Domain& subject, Reader& reader, tern_record_cpu const& cpu, Manner manner) {
    if (subject.pauses.load() == 0 || !never_ran(subject))
        return Err{Error::busy};
    auto const channels = TRY(domain::make_scratch_array<tern_record_channel>(subject.system, TRY(reader.channels())));
    TRY(reader.check_all_but_tables(channels.get()));
    auto const told = TRY(reader.domain());
    TRY(check_limits(subject, told));
    TRY(record::fits(TRY(reader.cpu()), cpu));
    if ((told.vm_assist & ~domain::kVmAssists) != 0)
        return Err{Error::invalid};
    if (told.mapped_grants != 0 && manner != Manner::cooperative)
        return Err{Error::not_supported};
    TRY(check_words(reader, manner));
    if (TRY(reader.memory()).pages != domain::quota(subject).total())
        return Err{Error::no_data};
    return {};
}

Status pin_tables(Domain& subject, Reader& reader) {
    constexpr std::uint32_t kAtOnce = 64;
    auto const count = TRY(reader.tables());
    auto& next = subject.record.next;
    std::array<std::uint64_t, kAtOnce> entries{};
    while (next < count) {
        auto const some = std::span{entries}.first(std::min(count - next, kAtOnce));
        TRY(reader.tables(next, some));
        for (auto const entry : some) {
            if (TERN_RECORD_TABLE_pinned(entry) != 0)
                TRY(subject.paging.pin(TERN_RECORD_TABLE_level(entry), Gfn{TERN_RECORD_TABLE_gfn(entry)},
                                       shadow_pt::Shadows::later));
            ++next;
        }
        if (domain::slice_is_over(subject.system))
            return Err{Error::preempted};
    }
    return {};
}

Status restore_vcpus(Domain& subject, Reader& reader, Manner manner) {
    return for_each_vcpu(subject, [&](Vcpu& vcpu) -> Status {
        TRY(restore_vcpu(reader, vcpu));
        if (manner != Manner::cooperative)
            TRY(restore_areas(reader, vcpu));
        return {};
    });
}

/// What the end needs, read before anything is done that could not be taken back.
struct Rest {
    using Map = base::FixedVector<domain::E820Entry, 128>;
    struct OfVcpu {
        std::uint32_t flags = 0;
        tern_record_timers timers{};
    };
    tern_record_domain domain;
    tern_record_time time;
    domain::Scratch<Map> memory_map;
    domain::ScratchArray<OfVcpu> vcpus;
};

base::Result<Rest> read_rest(Domain& subject, Reader& reader) {
    Rest all{.domain = TRY(reader.domain()),
             .time = TRY(reader.time()),
             .memory_map = TRY(domain::make_scratch<Rest::Map>(subject.system)),
             .vcpus = TRY(domain::make_scratch_array<Rest::OfVcpu>(subject.system, subject.vcpus.size()))};
    auto const ranges = TRY(reader.ranges());
    for (std::uint32_t i = 0; i < ranges; ++i) {
        auto const range = TRY(reader.range(i));
        static_cast<void>(
            all.memory_map->push_back({.address = range.address, .size = range.size, .type = range.type}));
    }
    for (std::uint32_t i = 0; i < all.vcpus.get().size(); ++i)
        all.vcpus.get()[i] = {.flags = TRY(reader.vcpu(i)).flags, .timers = TRY(reader.timers(i))};
    return all;
}

void set_limits(Domain& subject, Rest const& all) {
    auto& system = subject.system;
    auto const& told = all.domain;
    std::copy(std::begin(told.handle), std::end(told.handle), std::begin(subject.handle));
    subject.vm_assist.store(told.vm_assist & domain::kVmAssists, std::memory_order_relaxed);
    domain::quota(subject).set_limit(told.max_pages);
    for (Vcpu* const vcpu : subject.vcpus)
        static_cast<void>(system.scheduler.set_weight(vcpu->entity, told.weight, system.now()));
    subject.budget.set_cap(told.cap);
    subject.memory_map.with([&](auto& map) { map = *all.memory_map; });
}

void go_on_where_it_was(Domain& subject, Rest const& all, Manner manner) {
    restore_time(subject, all.time, manner == Manner::transparent_clock_stood);
    for (Vcpu* const vcpu : subject.vcpus) {
        auto const& of_vcpu = all.vcpus.get()[vcpu->id.raw()];
        restore_timers(*vcpu, of_vcpu.flags, of_vcpu.timers);
    }
    remind_all(subject);
    if (all.domain.shut_down != 0)
        domain::shut_down(subject, all.domain.shutdown_code);
    subject.shutdown_code.store(all.domain.shutdown_code);
}

Status finish(Domain& subject, Reader& reader, Manner manner) {
    auto const all = TRY(read_rest(subject, reader));
    bool const transparent = manner != Manner::cooperative;
    TRY(transparent ? restore_channels(reader, subject) : start_channels(reader, subject));
    // Nothing fails from here on.
    set_limits(subject, all);
    if (transparent)
        go_on_where_it_was(subject, all, manner);
    for (Vcpu* const vcpu : subject.vcpus)
        if ((all.vcpus.get()[vcpu->id.raw()].flags & TERN_RECORD_V_up) != 0 && vcpu->initialised.load())
            domain::bring_up(*vcpu);
    return {};
}

Status go_on(Domain& subject, Reader& reader, Manner manner) {
    auto& progress = subject.record;
    for (;; progress.next_step())
        switch (progress.step) {
        case grants:
            if (manner != Manner::cooperative)
                TRY(restore_grants(reader, subject, progress.next));
            break;
        case tables: TRY(pin_tables(subject, reader)); break;
        case vcpus: TRY(restore_vcpus(subject, reader, manner)); break;
        default: return finish(subject, reader, manner);
        }
}

Status drop_pins(Domain& subject) {
    auto& cursor = subject.record.cursor;
    for (auto next = cursor;; cursor = next) {
        auto const frame = subject.host.next_own(next);
        if (!frame.valid())
            return subject.paging.settle();
        TRY(subject.paging.relinquish(frame));
        if (domain::slice_is_over(subject.system)) {
            cursor = next;
            return Err{Error::preempted};
        }
    }
}

/// Gives back what was taken. `preempted`, or nothing.
Status undo(Domain& subject, Manner manner) {
    auto& progress = subject.record;
    for (;; progress.next_step())
        switch (progress.step) {
        case undo_vcpus: TRY(for_each_vcpu(subject, drop_vcpu)); break;
        case undo_tables: TRY(drop_pins(subject)); break;
        case undo_grants:
            if (manner != Manner::cooperative)
                drop_grants(subject);
            break;
        default: return {};
        }
}

/// Begins, or goes on.
Status proceed(Domain& subject, tern_record_cpu const& cpu, Buffer const& from, Manner manner) {
    auto& progress = subject.record;
    auto const contents = TRY(domain::make_scratch<record::Contents>(subject.system));
    CallerSource source{from};
    Reader reader{source, *contents};
    TRY(reader.open());
    if (progress.work == RecordProgress::Work::none) {
        TRY(check(subject, reader, cpu, manner));
        progress.begin(RecordProgress::Work::restoring, &from.caller, from.at.raw());
    }
    return go_on(subject, reader, manner);
}

} // namespace

Status restore(Domain& subject, tern_record_cpu const& cpu, Buffer const& from, Manner manner) {
    auto& progress = subject.record;
    domain::Claim const claim{progress.busy};
    if (!claim)
        return Err{Error::preempted};
    bool const fresh = progress.work == RecordProgress::Work::none;
    if (!fresh && !progress.is(RecordProgress::Work::restoring, &from.caller, from.at.raw()))
        return Err{Error::busy};

    if (fresh || !progress.failed) {
        auto const status = proceed(subject, cpu, from, manner);
        if (status.ok())
            progress.work = RecordProgress::Work::none;
        if (progress.work == RecordProgress::Work::none || status.error() == Error::preempted)
            return status;
        progress.failed = status.error();
        progress.go_to(undo_vcpus);
    }
    TRY(undo(subject, manner));
    progress.work = RecordProgress::Work::none;
    return Err{*progress.failed};
}

} // namespace snapshot
