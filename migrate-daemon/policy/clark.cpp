#include "policy/clark.hpp"

#include <algorithm>

namespace policy {

Decision Clark::first() {
    Decision decision;
    decision.rate = options_.lowest;
    return decision;
}

Decision Clark::decide(Observation const& seen) {
    Decision decision;
    auto const wanted = seen.dirty_rate * kPageOctets + options_.step;
    if (static_cast<double>(seen.dirty) * kPageOctets <= options_.left) {
        decision.what = Decision::What::stop_and_copy;
        decision.reason = "little is left";
    } else if (wanted > options_.highest) {
        decision.what = Decision::What::stop_and_copy;
        decision.reason = "the guest writes faster than may be sent";
    }
    bool const stops = decision.what == Decision::What::stop_and_copy;
    decision.rate = stops ? options_.highest : std::max(wanted, options_.lowest);
    return decision;
}

} // namespace policy
