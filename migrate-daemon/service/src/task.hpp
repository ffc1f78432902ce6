/// What the daemon tells a worker to do: the "start" of a channel.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "service/journal.hpp"
#include "service/results.hpp"
#include "service/settings.hpp"

namespace service {

enum class TaskKind { outgoing, incoming, recover };

struct Task {
    TaskKind kind = TaskKind::outgoing;
    std::string id;
    bool insecure = false; ///< this one goes without TLS
    std::uint8_t streams = 1;
    std::uint16_t port = net::kDefaultPort; ///< of the other host
    std::uint64_t bandwidth = 0;
    /// Of an outgoing one: {"vm", "host", "options"}; of a recovering one: {"vm", "host", "role"}, and "here" if a person has decided.
    nlohmann::json request;
    std::string keys, journals, reports, history;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Task, kind, id, insecure, streams, port, bandwidth, request, keys, journals, reports,
                                   history)

inline Role role_of(Task const& task) {
    bool const recovers_source =
        task.kind == TaskKind::recover && text_in(task.request, "role") == name_of(Role::source);
    return task.kind == TaskKind::outgoing || recovers_source ? Role::source : Role::destination;
}

} // namespace service
