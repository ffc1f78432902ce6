#include "hypervisor/devices.hpp"

#include <cstdlib>
#include <memory>
#include <string_view>

#include "hypervisor/domains.hpp"
#include "hypervisor/watch.hpp"

namespace hypervisor {
namespace {

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
using Names = std::unique_ptr<char*, Free>;

std::vector<std::string> children(Toolstack const& tools, std::string const& path) {
    unsigned count = 0;
    Names const names{xs_directory(tools.store(), XBT_NULL, path.c_str(), &count)};
    return names ? std::vector<std::string>(names.get(), names.get() + count) : std::vector<std::string>{};
}

} // namespace

std::vector<std::string> front_ends(Toolstack const& tools, std::uint32_t domain) {
    std::vector<std::string> found;
    for (auto const* const kind : {"vif", "vbd", "vkbd", "vfb", "9pfs", "pvcalls", "vtpm", "pci"})
        for (auto const& number : children(tools, node(domain, "device/") + kind))
            found.push_back(std::string{"device/"} + kind + "/" + number);
    return found;
}

bool connected(Toolstack const& tools, std::uint32_t domain, std::vector<std::string> const& front_ends) {
    for (auto const& device : front_ends)
        if (read_node(tools, domain, device + "/state") != "4")
            return false;
    return true;
}

bool await_connected(Toolstack const& tools, std::uint32_t domain, std::chrono::milliseconds patience) {
    auto const all = front_ends(tools, domain);
    if (all.empty())
        return true;
    auto watch = Watch::on(tools, {node(domain, "device"), "@releaseDomain"});
    if (!watch)
        return false;
    bool is = false;
    auto const over = [&] {
        auto const state = state_of(tools, domain);
        return !state || state.value().dying || state.value().shut_down;
    };
    watch.value().wait_until([&] { return (is = connected(tools, domain, all)) || over(); }, patience);
    return is;
}

} // namespace hypervisor
