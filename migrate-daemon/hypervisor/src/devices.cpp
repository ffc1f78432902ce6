#include "hypervisor/devices.hpp"

#include "hypervisor/domains.hpp"
#include "hypervisor/watch.hpp"

namespace hypervisor {

std::vector<std::string> front_ends(Toolstack const& tools, std::uint32_t domain) {
    std::vector<std::string> found;
    for (auto const* const kind : {"vif", "vbd", "vkbd", "vfb", "9pfs", "pvcalls", "vtpm", "pci"})
        for (auto const& number : child_nodes(tools, domain, std::string{"device/"} + kind))
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
    watch.value().wait_until([&] { return (is = connected(tools, domain, all)) || is_over(tools, domain); }, patience);
    return is;
}

} // namespace hypervisor
