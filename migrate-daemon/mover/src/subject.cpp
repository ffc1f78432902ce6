#include "subject.hpp"

#include <fstream>

namespace mover {

using hypervisor::Way;
using nlohmann::json;
using Guest = migrate::Outgoing::Guest;

/// Read once: it is in each entry of a journal, and some are written while the guest waits.
std::string const& boot_id() {
    static auto const id = [] {
        std::string read;
        std::ifstream{"/proc/sys/kernel/random/boot_id"} >> read;
        return read;
    }();
    return id;
}

json detail_of(Subject const& subject) {
    json detail{{"uuid", subject.uuid},
                {"vm", subject.vm},
                {"domain", subject.domain},
                {"way", name_of(subject.way)},
                {"boot", boot_id()}};
    if (!subject.caller.empty())
        detail["caller"] = subject.caller;
    if (!subject.temporary.empty())
        detail["temporary"] = subject.temporary;
    if (!subject.configuration.empty())
        detail["configuration"] = subject.configuration;
    return detail;
}

void read_detail(json const& detail, Subject& subject) {
    if (!detail.is_object())
        return;
    auto const read = [&](char const* name, std::string& field) {
        if (auto const found = detail.find(name); found != detail.end() && found->is_string())
            field = *found;
    };
    read("uuid", subject.uuid);
    read("vm", subject.vm);
    read("temporary", subject.temporary);
    read("configuration", subject.configuration);
    read("caller", subject.caller);
    std::string way{name_of(subject.way)};
    read("way", way);
    subject.way = way == name_of(Way::transparent) ? Way::transparent : Way::cooperative;
    if (auto const found = detail.find("domain"); found != detail.end() && found->is_number_unsigned())
        subject.domain = *found;
}

Guest find(hypervisor::Toolstack const& tools, Subject& subject, json const& detail) {
    if (!detail.is_object() || detail.value("boot", std::string{}) != boot_id())
        return Guest::lost_with_host;
    auto const found = hypervisor::find_domain(tools, subject.uuid);
    // The same guest may be here by another number: then it is not this migration's.
    bool const ours = found && (found.value().id == subject.domain ||
                                (!subject.temporary.empty() && found.value().name == subject.temporary));
    if (ours)
        subject.domain = found.value().id;
    return ours ? Guest::here : Guest::ended;
}

} // namespace mover
