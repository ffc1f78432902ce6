/// What the trace rings note. The four words of each are told beside it.
#pragma once

#include <cstdint>
#include <string_view>

namespace trace {

enum class Event : std::uint32_t {
    none,
    hypercall, ///< domain << 32 | vcpu, number, first argument, second argument
    answer,    ///< domain << 32 | vcpu, number, result
    exception, ///< domain << 32 | vcpu, vector << 32 | error code, rip, fault address
    upcall,    ///< domain << 32 | vcpu, rip
    raise,     ///< domain, port, the vCPU told
    switch_to, ///< domain << 32 | vcpu (all ones: idle)
    interrupt, ///< vector
    timer,     ///< deadline
    mark,      ///< whatever helps
};

constexpr std::string_view name(Event event) {
    switch (event) {
    case Event::none: return "none";
    case Event::hypercall: return "hypercall";
    case Event::answer: return "answer";
    case Event::exception: return "exception";
    case Event::upcall: return "upcall";
    case Event::raise: return "raise";
    case Event::switch_to: return "switch";
    case Event::interrupt: return "interrupt";
    case Event::timer: return "timer";
    case Event::mark: return "mark";
    }
    return "?";
}

/// Which vCPU, in one word.
constexpr std::uint64_t who(std::uint32_t domain, std::uint32_t vcpu) { return std::uint64_t{domain} << 32 | vcpu; }

} // namespace trace
