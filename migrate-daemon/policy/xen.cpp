#include "policy/xen.hpp"

namespace policy {

Decision Xen::decide(Observation const& seen) {
    Decision decision;
    decision.what = Decision::What::stop_and_copy;
    if (seen.dirty < options_.pages)
        decision.reason = "few pages are dirty";
    else if (seen.round + 1 >= options_.rounds)
        decision.reason = "so many rounds were sent";
    else
        decision.what = Decision::What::next_round;
    return decision;
}

} // namespace policy
