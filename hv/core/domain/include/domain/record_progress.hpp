/// How far reading or writing a domain's record has come (snapshot/), for who is preempted in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "base/frame.hpp"
#include "record/writer.hpp"

namespace domain {

struct Vcpu;

struct RecordProgress {
    enum class Work : std::uint8_t { none, taking, restoring };

    std::atomic<bool> busy{false}; ///< who holds it (Claim) owns the rest
    Work work = Work::none;
    Vcpu const* caller = nullptr; ///< for whom, and where it has its record
    std::uint64_t buffer = 0;

    std::uint32_t step = 0;
    std::uint32_t next = 0;            ///< in a step: the next vCPU, frame or table
    base::Gfn cursor{0};               ///< in a step: the next frame number
    std::optional<base::Error> failed; ///< restoring: what was taken is being given back, because of this
    record::WriterProgress written;    ///< taking

    void begin(Work what, Vcpu const* for_whom, std::uint64_t at) {
        work = what;
        caller = for_whom;
        buffer = at;
        go_to(0);
        failed.reset();
        written = {};
    }
    /// Whether it is this work: another is not to be gone on with.
    [[nodiscard]] bool is(Work what, Vcpu const* for_whom, std::uint64_t at) const {
        return work == what && caller == for_whom && buffer == at;
    }
    void go_to(std::uint32_t other) {
        step = other;
        next = 0;
        cursor = base::Gfn{0};
    }
    void next_step() { go_to(step + 1); }
};

} // namespace domain
