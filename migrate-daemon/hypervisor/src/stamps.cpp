#include "hypervisor/stamps.hpp"

#include <cerrno>

#include "abi/tern.h"

namespace hypervisor {

Result<Stamps> stamps_of(Toolstack const& tools, std::uint32_t domain) {
    tern_stamps request{};
    request.domain = static_cast<std::uint16_t>(domain);
    if (int const answer = tools.tern_call(TERN_get_stamps, request); answer < 0) {
        errno = -answer;
        return fail_errno("the hypervisor does not tell when domain " + std::to_string(domain) + " ran");
    }
    return Stamps{.now = request.now,
                  .last_ran = request.last_ran,
                  .first_ran = request.first_ran,
                  .timer_stopped = request.timer_stopped,
                  .timer_set = request.timer_set};
}

} // namespace hypervisor
