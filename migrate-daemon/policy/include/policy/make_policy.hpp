/// A policy by its name, as on the command line: NAME[:key=value,…].
///
///     tern[:downtime=50ms,timeout=120s,rounds=50,throttle=yes|no,most-throttle=0.95,last=cancel|force]
///     xen[:pages=50,rounds=5]
///     clark[:lowest=100Mbit/s,highest=500Mbit/s,step=50Mbit/s,left=256KiB]
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "policy/policy.hpp"
#include "policy/tern.hpp"

namespace policy {

/// A policy, or a sentence that says what is wrong with its text.
struct MadePolicy {
    std::unique_ptr<Policy> policy;
    std::string error;
};

/// @p goals are what `tern` begins with where its text says nothing: the goals that a user gave by options of their own.
MadePolicy make_policy(std::string_view text, Tern::Options const& goals = {});

} // namespace policy
