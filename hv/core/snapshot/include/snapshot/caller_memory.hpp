/// A caller's buffer as record::Source and record::Sink.
#pragma once

#include "domain/guest_memory.hpp"
#include "record/reader.hpp"
#include "record/writer.hpp"
#include "snapshot/snapshot.hpp"

namespace snapshot {

class CallerSource {
  public:
    explicit CallerSource(Buffer const& buffer) : buffer_{buffer} {}

    [[nodiscard]] std::uint64_t size() const { return buffer_.size; }
    [[nodiscard]] base::Status read(std::uint64_t at, std::span<std::byte> into) {
        if (at > buffer_.size || into.size() > buffer_.size - at)
            return base::Err{base::Error::invalid};
        return domain::copy_from_guest(buffer_.caller, buffer_.caller.mode, into, buffer_.at + at);
    }

  private:
    Buffer buffer_;
};

/// Leaves out what there is no room for.
class CallerSink {
  public:
    explicit CallerSink(Buffer const& buffer) : buffer_{buffer} {}

    [[nodiscard]] base::Status write(std::uint64_t at, std::span<std::byte const> bytes) {
        if (buffer_.at.raw() == 0 || at > buffer_.size || bytes.size() > buffer_.size - at)
            return {};
        return domain::copy_to_guest(buffer_.caller, buffer_.caller.mode, buffer_.at + at, bytes);
    }

  private:
    Buffer buffer_;
};

static_assert(record::Source<CallerSource> && record::Sink<CallerSink>);

using Reader = record::Reader<CallerSource>;
using Writer = record::Writer<CallerSink>;

} // namespace snapshot
