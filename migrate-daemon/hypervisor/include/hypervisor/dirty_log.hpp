/// Which frames a domain has written since they were last asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// Tracking is on while this object lives.
class DirtyLog {
  public:
    /// `precondition`: somebody tracks the domain already.
    static Result<DirtyLog> start(Toolstack const& tools, std::uint32_t domain);
    DirtyLog(DirtyLog&& other) noexcept;
    DirtyLog& operator=(DirtyLog&&) = delete;
    ~DirtyLog();

    /// The frames written since the last call, or since start(), in rising order. What is read of them after this has all that was written
    /// before it. Frames that domain 0 may write to count as written each time.
    Result<std::vector<std::uint64_t>> take();

  private:
    DirtyLog(Toolstack const& tools, std::uint32_t domain) : control_{tools.control()}, domain_{domain} {}
    [[nodiscard]] Result<void> fit();

    xc_interface* control_;
    std::uint32_t domain_;
    std::uint64_t frames_ = 0; ///< that the bitmap has room for
    xc_hypercall_buffer_t bitmap_{};
    bool tracking_ = false;
};

} // namespace hypervisor
