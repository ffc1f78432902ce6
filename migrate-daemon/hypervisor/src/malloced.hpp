/// What Xen's libraries leave to their callers to free().
#pragma once

#include <cstdlib>
#include <memory>

namespace hypervisor {

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
template <typename T> using Malloced = std::unique_ptr<T, Free>;

} // namespace hypervisor
