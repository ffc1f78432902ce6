/// A small record, good in all its parts, for tests and fuzzers to spoil: two vCPUs, one of them with a context.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "record/reader.hpp"
#include "record/writer.hpp"

namespace test {

using Bytes = std::vector<std::byte>;

class BytesSource {
  public:
    explicit BytesSource(std::span<std::byte const> bytes) : bytes_{bytes} {}
    [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
    [[nodiscard]] base::Status read(std::uint64_t at, std::span<std::byte> into) {
        if (at > bytes_.size() || into.size() > bytes_.size() - at)
            return base::Err{base::Error::bad_address};
        if (!into.empty())
            std::memcpy(into.data(), bytes_.data() + at, into.size());
        return {};
    }

  private:
    std::span<std::byte const> bytes_;
};

class BytesSink {
  public:
    [[nodiscard]] base::Status write(std::uint64_t at, std::span<std::byte const> from) {
        if (bytes.size() < at + from.size())
            bytes.resize(at + from.size());
        if (!from.empty())
            std::memcpy(bytes.data() + at, from.data(), from.size());
        return {};
    }
    Bytes bytes;
};

/// What it is made of: a test changes it, and writes it.
struct Sample {
    static constexpr std::uint32_t kVcpus = 2;
    static constexpr std::size_t kArea = 832;

    tern_record_domain domain{.handle = {1, 2, 3},
                              .vcpus = kVcpus,
                              .address_size = 64,
                              .vm_assist = 0,
                              .max_pages = 16,
                              .max_ports = 4096,
                              .max_grant_version = 2,
                              .max_grant_frames = 64,
                              .max_maptrack_frames = 1024,
                              .mapped_grants = 0,
                              .shut_down = 0,
                              .shutdown_code = ~0U,
                              .weight = 256,
                              .cap = 0};
    tern_record_cpu cpu{
        .vendor = {1, 2, 3}, .signature = 4, .xcr0 = 7, .xsave_size = kArea, .unused = 0, .features = {}};
    tern_record_time time{
        .system_time = 1, .tsc = 2, .tsc_khz = 3, .wall_seconds = 4, .wall_nanoseconds = 5, .tsc_stable = 1};
    std::vector<tern_record_range> ranges{{.address = 0, .size = 0x10000, .type = 1, .unused = 0}};
    tern_record_vcpu vcpus[kVcpus]{{.flags = TERN_RECORD_V_initialised | TERN_RECORD_V_up,
                                    .io_bitmap_ports = 0,
                                    .io_bitmap = 0,
                                    .syscall32_callback = 0,
                                    .sysenter_callback = 0,
                                    .tsc_aux = 0,
                                    .reserved_period = 0,
                                    .reserved_slice = 0},
                                   {}};
    bool without_extended_state = false;
    tern_record_timers timers{.singleshot = 100,
                              .periodic = TERN_RECORD_NONE,
                              .period = 0,
                              .poll = TERN_RECORD_NONE,
                              .runstate = 3,
                              .unused = 0,
                              .runstate_since = 9,
                              .runstate_times = {1, 2, 3, 4}};
    tern_record_areas areas{
        .vcpu_info_gfn = TERN_RECORD_NONE, .vcpu_info_offset = 0, .time_version = 0, .runstate = 0, .time = 0};
    tern_record_channels table{.limit = 64, .unused = 0};
    std::vector<tern_record_channel> channels{
        {.port = 1, .state = EVTCHNSTAT_interdomain, .priority = 0, .vcpu = 0, .number = 0, .peer = 9},
        {.port = 2, .state = EVTCHNSTAT_unbound, .priority = 0, .vcpu = 0, .number = 0, .peer = 0},
        {.port = 3, .state = EVTCHNSTAT_virq, .priority = 0, .vcpu = 0, .number = VIRQ_TIMER, .peer = 0},
        {.port = 4, .state = EVTCHNSTAT_virq, .priority = 0, .vcpu = 1, .number = VIRQ_TIMER, .peer = 0},
        {.port = 5, .state = EVTCHNSTAT_ipi, .priority = 0, .vcpu = 1, .number = 0, .peer = 0},
        {.port = 6, .state = EVTCHNSTAT_interdomain, .priority = 0, .vcpu = 0, .number = DOMID_SELF, .peer = 8},
        {.port = 8, .state = EVTCHNSTAT_interdomain, .priority = 0, .vcpu = 0, .number = DOMID_SELF, .peer = 6}};
    std::size_t shared_info = 4096;
    tern_record_grants grants{.version = 1, .frames = 1};
    tern_record_tables memory{.pages = 16};
    std::vector<std::uint64_t> tables{TERN_RECORD_TABLE(0, 4, 1), TERN_RECORD_TABLE(1, 3, 0),
                                      TERN_RECORD_TABLE(5, 2, 0)};

    [[nodiscard]] Bytes written() const {
        BytesSink sink;
        record::WriterProgress progress;
        record::Writer writer{sink, progress};
        auto const must = [](base::Status const& status) { ASSERT(status.ok()); };
        auto const zeroes = [&](std::size_t count) { must(writer.put(std::span<std::byte const>{Bytes(count)})); };
        must(writer.section(TERN_RECORD_S_domain, 0, domain));
        must(writer.section(TERN_RECORD_S_cpu, 0, cpu));
        must(writer.section(TERN_RECORD_S_time, 0, time));
        writer.begin(TERN_RECORD_S_memory_map, 0);
        must(writer.put(std::as_bytes(std::span{ranges})));
        must(writer.end());
        for (std::uint32_t i = 0; i < kVcpus; ++i) {
            writer.begin(TERN_RECORD_S_vcpu, i);
            must(writer.put(vcpus[i]));
            if ((vcpus[i].flags & TERN_RECORD_V_initialised) != 0)
                zeroes(sizeof(vcpu_guest_context_t));
            must(writer.end());
        }
        if (!without_extended_state) {
            writer.begin(TERN_RECORD_S_extended_state, 0);
            must(writer.put(tern_record_extended_state{.xcr0 = 7}));
            zeroes(kArea);
            must(writer.end());
        }
        for (std::uint32_t i = 0; i < kVcpus; ++i)
            must(writer.section(TERN_RECORD_S_timers, i, timers));
        for (std::uint32_t i = 0; i < kVcpus; ++i)
            must(writer.section(TERN_RECORD_S_areas, i, areas));
        writer.begin(TERN_RECORD_S_channels, 0);
        must(writer.put(table));
        must(writer.put(std::as_bytes(std::span{channels})));
        must(writer.end());
        writer.begin(TERN_RECORD_S_shared_info, 0);
        zeroes(shared_info);
        must(writer.end());
        writer.begin(TERN_RECORD_S_grants, 0);
        must(writer.put(grants));
        zeroes(std::size_t{grants.frames} * record::kPageSize);
        must(writer.end());
        writer.begin(TERN_RECORD_S_tables, 0);
        must(writer.put(memory));
        must(writer.put(std::as_bytes(std::span{tables})));
        must(writer.end());
        must(writer.finish());
        return std::move(sink.bytes);
    }
};

/// Reads all of @p bytes, as a restore does in its two passes; the first error, or nothing.
inline base::Status read_all(std::span<std::byte const> bytes) {
    BytesSource source{bytes};
    auto const contents = std::make_unique<record::Contents>();
    record::Reader reader{source, *contents};
    TRY(reader.open());
    std::vector<tern_record_channel> channels(TRY(reader.channels()));
    TRY(reader.check_all_but_tables(channels));
    static_cast<void>(TRY(reader.memory()));
    auto const tables = TRY(reader.tables());
    std::vector<std::uint64_t> entries(64);
    for (std::uint32_t next = 0; next < tables; next += 64)
        TRY(reader.tables(next, std::span{entries}.first(std::min(64U, tables - next))));
    for (std::uint32_t i = 0; i < reader.vcpus(); ++i) {
        if ((TRY(reader.vcpu(i)).flags & TERN_RECORD_V_initialised) == 0)
            continue;
        auto const context = std::make_unique<vcpu_guest_context_t>();
        TRY(reader.context(i, *context));
        Bytes area(reader.area_size(i));
        TRY(reader.area(i, area));
    }
    Bytes page(record::kPageSize);
    std::span<std::byte, record::kPageSize> const into{page};
    TRY(reader.shared_info(into));
    for (std::uint32_t i = 0; i < TRY(reader.grants()).frames; ++i)
        TRY(reader.grant_frame(i, into));
    return {};
}

} // namespace test
