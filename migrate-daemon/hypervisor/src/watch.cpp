#include "hypervisor/watch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include <poll.h>

namespace hypervisor {
namespace {

/// Of this watch only: the store knows others of this process at the same path by theirs.
std::string new_token() {
    static std::atomic<unsigned> count{0};
    return "tern-" + std::to_string(++count);
}

using Clock = std::chrono::steady_clock;

} // namespace

Watch::Watch(Toolstack const& tools) : store_{tools.store()}, token_{new_token()} {}

Result<Watch> Watch::on(Toolstack const& tools, std::initializer_list<std::string> paths) {
    Watch watch{tools};
    for (auto const& path : paths) {
        if (!xs_watch(watch.store_, path.c_str(), watch.token_.c_str()))
            return fail_errno("the store does not tell of changes at " + path);
        watch.paths_.push_back(path);
    }
    return watch;
}

Watch::~Watch() {
    for (auto const& path : paths_)
        xs_unwatch(store_, path.c_str(), token_.c_str());
    if (!paths_.empty())
        take_all();
}

void Watch::take_all() {
    while (char** const event = xs_check_watch(store_))
        std::free(event);
}

bool Watch::wait_until(std::function<bool()> const& done, std::chrono::milliseconds patience, int descriptor,
                       std::function<void()> const& hear) {
    auto const end = Clock::now() + patience;
    while (!done()) {
        auto const left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0)
            return false;
        std::array both{pollfd{.fd = descriptor, .events = POLLIN, .revents = 0}, // less than 0: none
                        pollfd{.fd = xs_fileno(store_), .events = POLLIN, .revents = 0}};
        static_cast<void>(poll(both.data(), both.size(), static_cast<int>(std::min<long>(left, 60'000))));
        if (both[0].revents != 0)
            hear();
        if (both[1].revents != 0)
            take_all();
    }
    return true;
}

} // namespace hypervisor
