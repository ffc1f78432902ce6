/// Waiting for changes in the store.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// Watches paths of the store (`@releaseDomain`: a domain has stopped, or gone) while it lives.
class Watch {
  public:
    static Result<Watch> on(Toolstack const& tools, std::initializer_list<std::string> paths);
    Watch(Watch&& other) noexcept = default;
    Watch& operator=(Watch&&) = delete;
    ~Watch();

    /// Looks by @p done at once and after each change, until it is true. False: not within @p patience.
    bool wait_until(std::function<bool()> const& done, std::chrono::milliseconds patience) {
        return wait_until(done, patience, -1, [] {});
    }
    /// ... and whenever @p descriptor can be read, after @p hear has done so.
    bool wait_until(std::function<bool()> const& done, std::chrono::milliseconds patience, int descriptor,
                    std::function<void()> const& hear);

  private:
    explicit Watch(Toolstack const& tools);
    void take_all();

    xs_handle* store_;
    std::string token_;
    std::vector<std::string> paths_;
};

} // namespace hypervisor
