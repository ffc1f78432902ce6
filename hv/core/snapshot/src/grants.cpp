// The grant table.
#include <array>

#include "domain/special_gfns.hpp"
#include "snapshot/parts.hpp"

namespace snapshot {
namespace {

using base::Err;
using base::Error;
using base::Mfn;
using base::Status;
using domain::Domain;

struct Page {
    std::array<std::byte, base::kPageSize> bytes{};
};
constexpr Page kEmpty{};

/// The guest's tables may lead to it: so it needs its number before they are looked at (SP-25).
Status number_frame(Domain& subject, std::uint32_t index) {
    constexpr auto kFrames = grants::GrantTable::kFramesPerStatusFrame;
    struct Frames {
        Mfn shared, status;
    };
    auto const frames = subject.grants.with([&](grants::Grants& both) {
        auto const& table = both.table;
        bool const first_of_status = table.version() == 2 && index % kFrames == 0;
        return Frames{table.shared_frame(index), first_of_status ? table.status_frame(index / kFrames) : Mfn{}};
    });
    static_cast<void>(TRY(domain::number_special(subject, frames.shared, domain::kFirstGrantGfn + index)));
    if (frames.status.valid())
        static_cast<void>(
            TRY(domain::number_special(subject, frames.status, domain::kFirstStatusGfn + index / kFrames)));
    return {};
}

} // namespace

Status put_grants(Writer& writer, Domain& subject) {
    auto const page = TRY(domain::make_scratch<Page>(subject.system));
    auto const table = subject.grants.with([](grants::Grants& both) {
        return tern_record_grants{.version = both.table.version(), .frames = both.table.frames()};
    });
    writer.begin(TERN_RECORD_S_grants, 0);
    TRY(writer.put(table));
    for (std::uint32_t index = 0; index < table.frames; ++index) {
        subject.grants.with([&](grants::Grants& both) { both.table.save_frame(index, page->bytes); });
        TRY(writer.put(std::span{page->bytes}));
    }
    return writer.end();
}

Status restore_grants(Reader& reader, Domain& subject, std::uint32_t& next) {
    auto const saved = TRY(reader.grants());
    auto const page = TRY(domain::make_scratch<Page>(subject.system));
    TRY(subject.grants.with(
        [&](grants::Grants& both) { return both.table.set_version(saved.version, [](Mfn) { return false; }); }));
    while (next < saved.frames) {
        TRY(reader.grant_frame(next, page->bytes));
        TRY(subject.grants.with([&](grants::Grants& both) -> Status {
            if (!both.table.grow_to(next + 1))
                return Err{Error::no_memory};
            return both.table.restore_frame(next, page->bytes);
        }));
        TRY(number_frame(subject, next));
        ++next;
        if (domain::slice_is_over(subject.system))
            return Err{Error::preempted};
    }
    return {};
}

void drop_grants(Domain& subject) {
    subject.grants.with([](grants::Grants& both) {
        static_cast<void>(both.table.set_version(1, [](Mfn) { return false; }));
        for (std::uint32_t index = 0; index < both.table.frames(); ++index)
            static_cast<void>(both.table.restore_frame(index, kEmpty.bytes));
    });
}

} // namespace snapshot
