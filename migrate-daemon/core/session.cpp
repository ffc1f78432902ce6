#include "migrate/session.hpp"

namespace migrate {

std::string_view name_of(State state) {
    switch (state) {
    case State::negotiate: return "negotiate";
    case State::prepare: return "prepare";
    case State::precopy: return "precopy";
    case State::blackout: return "blackout";
    case State::commit: return "commit";
    case State::resumed: return "resumed";
    case State::abort: return "abort";
    case State::ended: break;
    }
    return "ended";
}

} // namespace migrate
