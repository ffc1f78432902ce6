#include "hypervisor/watch.hpp"

#include <algorithm>
#include <cstdlib>

#include <poll.h>

namespace hypervisor {
namespace {

constexpr char const* kToken = "tern";
using Clock = std::chrono::steady_clock;

} // namespace

Result<Watch> Watch::on(Toolstack const& tools, std::initializer_list<std::string> paths) {
    Watch watch{tools};
    for (auto const& path : paths) {
        if (!xs_watch(watch.store_, path.c_str(), kToken))
            return fail_errno("the store does not tell of changes at " + path);
        watch.paths_.push_back(path);
    }
    return watch;
}

Watch::~Watch() {
    for (auto const& path : paths_)
        xs_unwatch(store_, path.c_str(), kToken);
    if (!paths_.empty())
        take_all();
}

void Watch::take_all() {
    while (char** const event = xs_check_watch(store_))
        std::free(event);
}

bool Watch::wait_until(std::function<bool()> const& done, std::chrono::milliseconds patience) {
    auto const end = Clock::now() + patience;
    while (!done()) {
        auto const left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0)
            return false;
        pollfd store{.fd = xs_fileno(store_), .events = POLLIN, .revents = 0};
        if (poll(&store, 1, static_cast<int>(std::min<long>(left, 60'000))) > 0)
            take_all();
    }
    return true;
}

} // namespace hypervisor
